"""Docker configs as people and Kubernetes write them; whatever they hold, no value shows in an error."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.references import parse_reference
from services.common.registry.docker_config import Credential, DockerConfig, InvalidDockerConfig, parse_docker_config


def config(auths: dict[str, object]) -> DockerConfig:
    return parse_docker_config(json.dumps({"auths": auths}).encode())


def packed(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        ({"auth": packed("u", "p:with:colons")}, Credential("u", "p:with:colons")),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"username": "old", "password": "pair", "auth": packed("u", "p")}, Credential("u", "p")),
        ({"auth": packed("u", "password").rstrip("=")}, Credential("u", "password")),
        ({"auth": packed("u", "p" * 60)[:76] + "\n" + packed("u", "p" * 60)[76:]}, Credential("u", "p" * 60)),
        ({"auth": packed("u", "p"), "identitytoken": "t"}, Credential("u", "p", "t")),
        ({"identitytoken": "t"}, Credential("", "", "t")),
        ({"auth": packed("u", "p") + "", "email": "x@example.com"}, Credential("u", "p")),
        ({}, None),
    ],
)
def test_entries(entry: dict[str, object], credential: Credential | None) -> None:
    assert config({"registry.example": entry}).find(parse_reference("registry.example/a")) == credential


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("https://index.docker.io/v1/", "library/busybox"),
        ("docker.io", "busybox"),
        ("registry-1.docker.io", "index.docker.io/team/a"),
        ("https://registry.example/v2/", "registry.example/a"),
        ("REGISTRY.example:5000", "registry.example:5000/a"),
        ("registry.example/team", "registry.example/team/a"),
        ("*.azurecr.example", "mine.azurecr.example/a"),
        ("127.0.0.1:5000", "127.0.0.1:5000/a/b:v1"),
    ],
)
def test_places_that_cover_an_image(place: str, reference: str) -> None:
    assert config({place: {"auth": packed("u", "p")}}).find(parse_reference(reference)) is not None


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("registry.example", "registry.example.evil.example/a"),
        ("registry.example/team", "registry.example/teammate/a"),
        ("registry.example:5000", "registry.example/a"),
        ("*.example", "a.b.example/x"),
        ("docker.io", "registry.example/docker.io/a"),
    ],
)
def test_places_that_do_not(place: str, reference: str) -> None:
    assert config({place: {"auth": packed("u", "p")}}).find(parse_reference(reference)) is None


def test_the_longest_place_wins() -> None:
    places = ["registry.example", "registry.example/team", "registry.example/team/deep", "*.example"]
    found = config({place: {"auth": packed(place, "p")} for place in places}).find(
        parse_reference("registry.example/team/deep/a")
    )
    assert found is not None
    assert found.username == "registry.example/team/deep"


def test_helpers_are_never_run() -> None:
    raw = json.dumps({"credHelpers": {"registry.example": "evil"}, "credsStore": "desktop"}).encode()
    assert parse_docker_config(raw) == DockerConfig({}, helpers=True)


def test_the_older_flat_form() -> None:
    raw = json.dumps({"registry.example": {"auth": packed("u", "p")}}).encode()
    assert parse_docker_config(raw).find(parse_reference("registry.example/a")) == Credential("u", "p")


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "raw",
    [
        b"{" + SECRET.encode(),
        json.dumps([SECRET]).encode(),
        json.dumps({"auths": SECRET}).encode(),
        json.dumps({"auths": {"a": SECRET}}).encode(),
        json.dumps({"auths": {"a": {"auth": SECRET}}}).encode(),
        json.dumps({"auths": {"a": {"auth": base64.b64encode(SECRET.encode()).decode()}}}).encode(),
        json.dumps({"auths": {"a": {"username": "u", "password": [SECRET]}}}).encode(),
        b" " * (2 * 1024 * 1024),
    ],
)
def test_a_broken_config_is_refused_without_showing_it(raw: bytes) -> None:
    with pytest.raises(InvalidDockerConfig) as caught:
        parse_docker_config(raw)
    assert SECRET not in str(caught.value)
    assert base64.b64encode(SECRET.encode()).decode() not in str(caught.value)


def test_a_credential_does_not_show_itself() -> None:
    assert SECRET not in repr(Credential("u", SECRET, SECRET))


json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["auths", "credHelpers", "registry.example", "auth"]), json_values))
def test_any_json_is_read_or_refused(document: dict[str, object]) -> None:
    try:
        parsed = parse_docker_config(json.dumps(document).encode())
    except InvalidDockerConfig:
        return
    parsed.find(parse_reference("registry.example/a/b"))


@given(st.text(min_size=1, max_size=20).filter(lambda text: ":" not in text), st.text(min_size=1, max_size=20))
def test_what_docker_packs_is_unpacked(user: str, password: str) -> None:
    found = config({"registry.example": {"auth": packed(user, password)}}).find(parse_reference("registry.example/a"))
    assert found == Credential(user, password.rstrip("\0")) or not password.rstrip("\0")
