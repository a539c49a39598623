"""Section 2.3 of KAITO's contract and section 10's stricter rules: only what is reachable from everywhere."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.source_urls import (
    INVALID,
    LOCAL_ADDRESS,
    LOCAL_NAME,
    NOT_HTTP,
    RefusedUrl,
    is_allowed,
    parse_allow,
    parse_source_url,
    refused_address,
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://data.example.com/rows.jsonl", "https://data.example.com/rows.jsonl"),
        ("http://data.example.com/a?b=c&d=%2F#e", "http://data.example.com/a?b=c&d=%2F"),
        ("HTTPS://Data.Example.COM:443/A", "https://data.example.com/A"),
        ("http://data.example.com:8443", "http://data.example.com:8443/"),
        ("https://data.example.com?x=1", "https://data.example.com/?x=1"),
        ("https://data.example.com:/x", "https://data.example.com/x"),
        ("https://data.example.com./x", "https://data.example.com/x"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://134744072/x", "https://8.8.8.8/x"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("https://[2606:4700:4700:0:0:0:0:1111]/x", "https://[2606:4700:4700::1111]/x"),
        ("https://bücher.example.com/x", "https://xn--bcher-kva.example.com/x"),
        ("https://my_bucket.s3.example.com/x", "https://my_bucket.s3.example.com/x"),
        ("https://localhost.example.com/x", "https://localhost.example.com/x"),
        ("https://11.example.com/@x:y", "https://11.example.com/@x:y"),
    ],
)
def test_taken(text: str, normal: str) -> None:
    assert str(parse_source_url(text)) == normal
    assert str(parse_source_url(normal)) == normal


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "/x", "a.com/x", "//a.com/x", "file:///x", "http:///x", "http://", "http:a.com", "https://?x"),
        *("https://a.com/a b", " https://a.com/", "https://a.com/\n", "https://a.com/\tb", "https://a\u3000.com/x"),
        *("https://a.com\\@b.com/", "https://a.com/\x00", "https://a.com/\u202ex", "https://a.com/100%"),
        *("https://user:secret@a.com/x", "https://user@a.com/x", "https://@a.com/"),
        *("https://a.com:0/", "https://a.com:65536/", "https://a.com:8x/", "https://a.com:999999/", "https://a:80:80/"),
        *("https://a..com/", "https://.a.com/", "https://a.com../", "https://-a.com/", "https://a-.com/"),
        *("https://" + "a" * 64 + ".com/", "https://" + "a." * 130 + "com/", "https://a.com/" + "x" * 9000),
        *("https://[::1/", "https://[x]/", "https://[]/", "https://[1.2.3.4]/", "https://[::1]x/"),
        *(
            "https://1.2.3.4.5/",
            "https://256.1.1.1/",
            "https://1.1.1.256/",
            "https://4294967296/",
            "https://0x1ffffffff/",
        ),
        *("https://09.1.1.1/", "https://a.1/", "https://a.com%2f/", "https://%6c/"),
    ],
)
def test_what_is_no_absolute_url_with_a_host(text: str) -> None:
    with pytest.raises(RefusedUrl, match=INVALID):
        parse_source_url(text)


@pytest.mark.parametrize(
    "text", ["ftp://a.com/x", "s3://bucket/x", "gopher://a.com", "javascript://a.com/%0a", "file://a.com/x"]
)
def test_other_schemes(text: str) -> None:
    with pytest.raises(RefusedUrl, match=NOT_HTTP):
        parse_source_url(text)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "a.localhost.",
            "localhost.localdomain",
            "x.localdomain",
        ),
        *("metadata.google.internal", "metadata.google", "instance-data.ec2.internal", "METADATA.google.internal."),
        *("minio", "kubernetes", "db.team.svc", "db.team.svc.cluster.local", "db.team.svc.cluster.local.", "x.local"),
        *("x.internal", "ｌｏｃａｌｈｏｓｔ", "a。localhost"),  # noqa: RUF001  # Letters and dots that look alike.
    ],
)
def test_names_that_mean_something_only_here(host: str) -> None:
    with pytest.raises(RefusedUrl, match=LOCAL_NAME):
        parse_source_url(f"http://{host}/x")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.0x0.0x0.0x1",
            "0177.0.0.1",
            "017700000001",
        ),
        *("127.0.0.1.", "0x7f.1", "127.255.255.255", "①②⑦.⓪.⓪.①"),
        *("0.0.0.0", "0", "0x0", "00", "0.1.2.3", "10.0.0.1", "10.1", "012.0.0.1", "172.16.0.1", "172.31.255.255"),
        *("192.168.0.1", "192.168.1", "3232235777", "0xc0a80101", "169.254.169.254", "0xa9fea9fe", "2852039166"),
        *("100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "4294967295"),
        *(
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[::ffff:a00:1]",
            "[::127.0.0.1]",
        ),
        *(
            "[fe80::1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[fc00::1]",
            "[fd12::1]",
            "[ff02::1]",
            "[fec0::1]",
            "[100::1]",
        ),
        *("[64:ff9b::808:808]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:808:808::1]", "[2001:db8::1]", "[2001::1]"),
        *("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
    ],
)
def test_addresses_that_are_not_reachable_from_everywhere(host: str) -> None:
    with pytest.raises(RefusedUrl, match=LOCAL_ADDRESS):
        parse_source_url(f"http://{host}/x")


def test_a_host_with_a_percent_sign_outside_brackets_is_no_host() -> None:
    with pytest.raises(RefusedUrl):
        parse_source_url("http://127.0.0.1%25/x")


def test_settings_name_exceptions() -> None:
    allow = parse_allow(" 127.0.0.1:9000, MinIO [::1]:80,\n10.0.0.1")
    for url in ("http://127.0.0.1:9000/x", "http://minio/x", "https://minio:9/x", "http://[::1]/x", "http://10.1/x"):
        with pytest.raises(RefusedUrl):
            parse_source_url(url)
    for url in (
        "http://127.0.0.1:9000/x",
        "http://2130706433:9000/",
        "http://minio/x",
        "http://[::1]/",
        "https://10.0.0.1/",
    ):
        assert parse_source_url(url, allow=allow)
    for url in ("http://127.0.0.1:9001/x", "http://[::1]:81/", "http://10.0.0.2/", "http://127.0.0.2:9000/"):
        with pytest.raises(RefusedUrl):
            parse_source_url(url, allow=allow)
    assert parse_allow("") == ()
    assert not is_allowed("a", 80, [])


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("htps:/@[]%.0123456789xabf#?\\ ", max_size=60).map("http://".__add__)))
def test_any_text_is_refused_or_has_one_normal_form(text: str) -> None:
    try:
        url = parse_source_url(text)
    except RefusedUrl:
        return
    assert parse_source_url(str(url)) == url
    assert url.scheme in ("http", "https")
    assert url.host.isascii()


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["{0}", "0x{0:x}", "0{0:o}", "dotted", "short"]))
def test_every_spelling_of_an_ipv4_address_is_judged_as_that_address(number: int, spelling: str) -> None:
    address = IPv4Address(number)
    first, rest = divmod(number, 2**24)
    text = {"dotted": str(address), "short": f"{first}.{rest}"}.get(spelling) or spelling.format(number)
    if refused_address(address):
        with pytest.raises(RefusedUrl):
            parse_source_url(f"http://{text}/")
    else:
        assert parse_source_url(f"http://{text}/").host == str(address)


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_that_python_calls_local_gets_through(address: IPv4Address | IPv6Address) -> None:
    if (
        address.is_loopback
        or address.is_private
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
    ):
        assert refused_address(address)


def test_the_addresses_of_the_world_get_through() -> None:
    for text in (
        "1.1.1.1",
        "8.8.8.8",
        "192.0.1.1",
        "172.32.0.1",
        "223.255.255.255",
        "2a00:1450:4001::1",
        "2606:4700::1",
    ):
        assert refused_address(ip_address(text)) is None
