"""Image references as distribution/reference's ParseDockerRef reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.references import InvalidReference, parse_reference

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("team/data", "docker.io/team/data:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("docker.io/team/data", "docker.io/team/data:latest"),
        ("localhost/data", "localhost/data:latest"),
        ("localhost:5000/data:x", "localhost:5000/data:x"),
        ("registry.example.com/a/b/c", "registry.example.com/a/b/c:latest"),
        ("REGISTRY.example.com/a", "registry.example.com/a:latest"),
        ("Upper/a", "Upper/a:latest"),
        ("registry:5000/a", "registry:5000/a:latest"),
        ("10.0.0.1/a", "10.0.0.1/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("[FE80::1]/a", "[fe80::1]/a:latest"),
        ("a.com/x_y/x__y/x.y/x--y", "a.com/x_y/x__y/x.y/x--y:latest"),
        (f"a.com/x@sha256:{HEX}", f"a.com/x@sha256:{HEX}"),
        (f"a.com/x:tag@sha256:{HEX}", f"a.com/x@sha256:{HEX}"),
        (f"a.com/x@sha512:{HEX}{HEX}", f"a.com/x@sha512:{HEX}{HEX}"),
        ("a:" + "t" * 128, "docker.io/library/a:" + "t" * 128),
        ("a:_T.-1", "docker.io/library/a:_T.-1"),
        (HEX[:-1], f"docker.io/library/{HEX[:-1]}:latest"),
        (f"library/{HEX}", f"docker.io/library/{HEX}:latest"),
        ("a.com/" + "x" * 255, "a.com/" + "x" * 255 + ":latest"),
    ],
)
def test_taken(text: str, normal: str) -> None:
    assert str(parse_reference(text)) == normal
    assert str(parse_reference(normal)) == normal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid reference format"),
        (HEX, "64-byte hexadecimal"),
        ("Busybox", "must be lowercase"),
        ("a.com/Data:1", "must be lowercase"),
        ("team/Data", "must be lowercase"),
        ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1", "must be lowercase"),
        ("under_score.com/x", "invalid reference format"),
        ("a.com/", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:-x", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a b", "invalid reference format"),
        (" a", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("a.com/x:tag:tag", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a-", "invalid reference format"),
        ("a..b/c", "invalid reference format"),
        ("a.com:port/x", "invalid reference format"),
        ("https://a.com/x", "invalid reference format"),
        ("a.com/x@sha256:abc", "invalid reference format"),
        (f"a.com/x@sha256:{HEX}0", "invalid checksum digest"),
        (f"a.com/x@sha256:{HEX.upper()}", "invalid checksum digest"),
        (f"a.com/x@md5:{HEX[:32]}", "unsupported digest algorithm"),
        (f"a.com/x@{HEX}", "invalid reference format"),
        ("é", "invalid reference format"),
        ("a.com/" + "x" * 256, "255 characters"),
        ("a" * 100_000, "invalid reference format"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        parse_reference(text)
    assert str(refusal.value).startswith("invalid reference format")
    assert words in str(refusal.value)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=80), st.text("ab1._-/:@AZ[]" + "0" * 5, max_size=80)))
def test_any_text_is_refused_or_has_one_normal_form(text: str) -> None:
    try:
        made = parse_reference(text)
    except InvalidReference:
        return
    again = parse_reference(str(made))
    assert again == made
    assert (made.tag is None) != (made.digest is None)


@pytest.mark.parametrize(
    "text", ["a" + "-" * 1000 + "!", "a." * 500 + "/", ("a__" * 300) + "!", "a:" * 500, "[" + ":" * 1000]
)
def test_odd_texts_take_no_time(text: str) -> None:
    """Under a second each, or the run's own limit ends it: the patterns must not backtrack."""
    with pytest.raises(InvalidReference):
        parse_reference(text)
