"""Layers of images that strangers made: overlays as a container engine sees them, and a corpus of hostile archives."""

import gzip
import io
import tarfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import UserError
from services.trainer.dataset.decode import DecodeError
from services.trainer.stage.layers import Overlay, layer_files
from services.trainer.stage.tar_stream import BadArchive, Kind, Limits, TarStream, _records

Entry = tuple[str, bytes | str]
"""A name with a file's bytes, or with the type of what it is instead."""

TYPES = {
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
}


def layer(entries: Iterable[Entry], form: int = tarfile.PAX_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = TYPES[content], "/etc/passwd"
                tar.addfile(info)
    return sink.getvalue()


async def pieces(data: bytes, size: int = 700) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(layers: Sequence[bytes], ratio: int = 200) -> dict[str, bytes]:
    """The files below /data of an image with these layers, the lowest first."""
    overlay, found = Overlay(), {}
    for data in reversed(layers):
        async for member, content in layer_files(pieces(data), overlay, "data", ratio=ratio, label="image"):
            found[member.name] = b"".join([piece async for piece in content])
    return found


async def test_files_below_data_and_nothing_else() -> None:
    entries: list[Entry] = [("etc/passwd", b"x"), ("data", "folder"), ("data/a.csv", b"1"), ("./data/b/c.csv", b"2")]
    entries += [("database/x.csv", b"3"), ("bin/sh", "symlink"), ("dev/null", "device"), ("USR/x", b""), ("usr/X", b"")]
    assert await read([layer(entries)]) == {"data/a.csv": b"1", "data/b/c.csv": b"2"}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
async def test_long_and_foreign_names_in_every_form(form: int) -> None:
    name = "data/" + "/".join(["folder" * 5] * (4 if form == tarfile.USTAR_FORMAT else 20)) + "/ä.csv"
    assert await read([layer([(name, b"1" * 1000)], form)]) == {name: b"1" * 1000}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
async def test_layers_of_every_compression(pack: type[bytes]) -> None:
    assert await read([pack(layer([("data/a.csv", b"1" * 5000)]))]) == {"data/a.csv": b"1" * 5000}


async def test_an_upper_layer_replaces_and_removes() -> None:
    bottom = layer([("data/a.csv", b"old"), ("data/b.csv", b"b"), ("data/sub/c.csv", b"c"), ("data/keep.csv", b"k")])
    middle = layer([("data/a.csv", b"new"), ("data/.wh.b.csv", b""), ("data/.wh.sub", b"")])
    top = layer([("data/b.csv", b"again")])
    assert await read([bottom, middle, top]) == {"data/a.csv": b"new", "data/b.csv": b"again", "data/keep.csv": b"k"}


async def test_an_opaque_folder_hides_what_lies_below_but_not_beside_it() -> None:
    bottom = layer([("data/a.csv", b"1"), ("data/sub/x.csv", b"2"), ("data/sub/deep/y.csv", b"3")])
    top = layer([("data/sub/.wh..wh..opq", b""), ("data/sub/new.csv", b"4")])
    assert await read([bottom, top]) == {"data/a.csv": b"1", "data/sub/new.csv": b"4"}


async def test_a_removed_root_and_a_removed_ancestor() -> None:
    bottom = layer([("data/a.csv", b"1")])
    assert await read([bottom, layer([(".wh.data", b"")])]) == {}
    assert await read([bottom, layer([(".wh..wh..opq", b"")])]) == {}


async def test_files_and_folders_take_each_others_place() -> None:
    file, folder = layer([("data/x", b"file")]), layer([("data/x/y.csv", b"inside")])
    assert await read([file, folder]) == {"data/x/y.csv": b"inside"}
    assert await read([folder, file]) == {"data/x": b"file"}


async def test_whiteouts_do_not_touch_their_own_layer() -> None:
    assert await read([layer([("data/.wh.a.csv", b""), ("data/a.csv", b"1")])]) == {"data/a.csv": b"1"}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("data/../../etc/cron.d/x", b"1")], "leads out"),
        ([("../x", b"1")], "leads out"),
        ([("/data/x.csv", b"1")], "leads out"),
        ([("data/x.csv", "symlink")], "is a link"),
        ([("data/x.csv", "hardlink")], "is a link"),
        ([("data/x.csv", "device")], "device or pipe"),
        ([("data/x.csv", "block")], "device or pipe"),
        ([("data/x.csv", "pipe")], "device or pipe"),
        ([("data", "symlink")], "is a link"),
        ([("data", b"1")], "is in the place of a folder"),
        ([("data/x.csv", b"1"), ("data/x.csv", b"2")], "is in it twice"),
        ([("data/x.csv", b"1"), ("data/./x.csv", b"2")], "is in it twice"),
        ([("data/x.csv", b"1"), ("data/X.csv", b"2")], "differ only in letter case"),
        ([("data/" + "a/" * 100 + "x.csv", b"1")], "deeper than 64"),
        ([("data/" + "n" * 5000, b"1")], "not to be trusted"),
    ],
)
async def test_a_hostile_layer_is_refused(entries: list[Entry], why: str) -> None:
    with pytest.raises(BadArchive, match=why):
        await read([layer(entries)])


async def test_a_bomb_is_stopped_by_how_far_it_expands() -> None:
    data = gzip.compress(layer([("data/x.csv", bytes(100 << 20))]), 9)
    with pytest.raises(UserError, match="200 times"):
        await read([data])


async def test_more_members_than_allowed() -> None:
    data = layer([(f"data/{number}", b"") for number in range(11)])
    with pytest.raises(BadArchive, match="more than 10 members"):
        async for _ in TarStream(pieces(data), Limits(members=10)):
            pass


@pytest.mark.parametrize("keep", [0, 100, 511, 600, 1500, 2000])
async def test_a_layer_that_ends_early_is_refused(keep: int) -> None:
    data = layer([("data/a.csv", b"1" * 1000), ("data/b.csv", b"2" * 1000)])
    with pytest.raises(BadArchive, match="ends too early"):
        await read([data[:keep]])


def with_field(data: bytes, start: int, value: bytes) -> bytes:
    """The first header with other bytes in it and a checksum that fits."""
    header = bytearray(data[:512])
    header[start : start + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize(
    ("start", "value"),
    [
        (124, b"\xff" * 12),  # A negative size in base 256.
        (124, b"\x80" + b"\xff" * 11),  # A size of 2**88.
        (124, b"99999999999\0"),  # No octal number.
        (156, b"S"),  # A sparse file.
    ],
)
async def test_a_header_that_lies_is_refused(start: int, value: bytes) -> None:
    data = with_field(layer([("data/a.csv", b"1")]), start, value)
    with pytest.raises(BadArchive):
        await read([data])


async def test_an_extended_header_may_not_be_huge_or_broken() -> None:
    for content in (
        b"x" * (2 << 20),
        b"999999 path=x\n",
        b"12 path",
        b"6 a=b\n" * 2 + b"x",
        b"6 a=b\n =",
        b"5 x=\n" * 3 + b"a path=x\n",
    ):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w") as tar:
            info = tarfile.TarInfo("pax")
            info.type, info.size = tarfile.XHDTYPE, len(content)
            tar.addfile(info, io.BytesIO(content))
            tar.addfile(tarfile.TarInfo("data/x"))
        with pytest.raises(BadArchive):
            await read([sink.getvalue()])


names = st.lists(st.sampled_from(["data", "a", "b.csv", "ü"]), min_size=1, max_size=4).map("/".join)


@given(entries=st.dictionaries(names, st.binary(max_size=2000), max_size=8), size=st.integers(1, 3000))
async def test_what_was_packed_comes_out_however_it_is_cut(entries: dict[str, bytes], size: int) -> None:
    data = layer(entries.items())
    stream, found = TarStream(pieces(data, size)), {}
    async for member in stream:
        assert member.kind is Kind.FILE
        found[member.name] = b"".join([piece async for piece in stream.content()])
    assert found == entries


@given(data=st.binary(max_size=2000), at=st.integers(0, 3000))
async def test_no_bytes_break_the_reader(data: bytes, at: int) -> None:
    whole = layer([("data/a.csv", b"1" * 600), ("data/b.csv", b"2")])
    for broken in (data, whole[:at] + data + whole[at + len(data) :]):
        try:
            assert isinstance(await read([broken]), dict)
        except (BadArchive, DecodeError, UserError) as error:
            assert str(error)  # Either is right, and nothing else may be raised.


async def test_extended_headers_cost_no_more_than_their_bytes() -> None:
    """What they say is kept until a member comes, and none has to come; a megabyte took seconds to read."""
    record = b"6 a=b\n" * 100_000 + b"13 path=abcd\n"
    began = time.process_time()
    assert _records(record) == {"path": "abcd"}
    assert time.process_time() - began < 2
