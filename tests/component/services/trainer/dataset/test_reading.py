"""Files of every format, whole and broken, to rows with their lines."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.dataset import lines
from services.trainer.dataset.formats import find_format
from services.trainer.dataset.problems import Code, Fault
from services.trainer.dataset.reading import read_rows

ROWS = [{"prompt": f"p{number}", "completion": 'a,"b"\n\tü'} for number in range(600)]
Write = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return put


def read(path: Path, extension: str | None = None) -> list[tuple[int, object]]:
    kind = find_format(path.name, path, extension)
    return list(read_rows(path.name, path, kind))


def codes(found: list[tuple[int, object]]) -> list[tuple[int, str]]:
    return [(line, value.code) for line, value in found if isinstance(value, Fault)]


def jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def csv_text(rows: list[dict[str, str]], mark: str = ",") -> bytes:
    quoted = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row.values()) for row in rows]
    return "\r\n".join([mark.join(rows[0]), *quoted]).encode()


def parquet(rows: list[dict[str, str]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=100)
    return sink.getvalue()


def arrow_file(rows: list[dict[str, str]]) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist(rows)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    return sink.getvalue()


def arrow_stream(rows: list[dict[str, str]]) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def webdataset(rows: list[dict[str, str]]) -> bytes:
    return archive({f"shard/{number:05d}.json": json.dumps(row).encode() for number, row in enumerate(rows)})


FORMATS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    "a.jsonl": jsonl,
    "a.json": jsonl,
    "array.json": lambda rows: json.dumps(rows).encode(),
    "pretty.json": lambda rows: json.dumps(rows, indent=2).encode(),
    "object.json": lambda rows: json.dumps({"version": 1, "data": rows}, indent=1).encode(),
    "oneline.json": lambda rows: json.dumps({"version": 1, "tags": ["x"], "data": rows}).encode(),
    "one-by-one.jsonl": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "a.csv": csv_text,
    "semicolon.csv": lambda rows: csv_text(rows, ";"),
    "a.tsv": lambda rows: csv_text(rows, "\t"),
    "a.parquet": parquet,
    "file.arrow": arrow_file,
    "stream.arrow": arrow_stream,
    "a.tar": webdataset,
    "bom.jsonl": lambda rows: b"\xef\xbb\xbf" + jsonl(rows),
    "utf16.jsonl": lambda rows: jsonl(rows).decode().encode("utf-16"),
    "utf16.json": lambda rows: json.dumps(rows).encode("utf-16"),
    "a.jsonl.gz": lambda rows: gzip.compress(jsonl(rows)),
    "a.csv.zst": lambda rows: zstandard.compress(csv_text(rows)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(write: Write, name: str) -> None:
    assert [row for _, row in read(write(name, FORMATS[name](ROWS)))] == ROWS


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("a.tsv", "oneline.json")])
def test_the_format_is_seen_without_a_name(write: Write, name: str) -> None:
    assert [row for _, row in read(write("nameless", FORMATS[name](ROWS)))] == ROWS


@pytest.mark.parametrize(
    ("name", "extension", "made"),
    [("a.txt", "json", jsonl), ("a.json", "csv", csv_text), ("a.bin", "webdataset", webdataset)],
)
def test_the_named_format_counts(
    write: Write, name: str, extension: str, made: Callable[[list[dict[str, str]]], bytes]
) -> None:
    assert [row for _, row in read(write(name, made(ROWS)), extension)] == ROWS


def test_lines_are_those_of_the_file(write: Write) -> None:
    text = b'{"text": "1"}\n\n{"text": "2"}\n{oops}\n{"text": "\xff"}\n{"text": "5"}'
    found = read(write("a.jsonl", text))
    assert [line for line, _ in found] == [1, 3, 4, 5, 6]
    assert codes(found) == [(4, Code.NOT_JSON), (5, Code.BAD_ENCODING)]


def test_lines_of_a_pretty_array(write: Write) -> None:
    found = read(write("a.json", b'[\n {\n "text": "1"\n },\n\n {"text": "2"}\n]'))
    assert [line for line, _ in found] == [2, 6]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_conversation_is_a_row_and_no_array_of_rows(write: Write, indent: int | None) -> None:
    row = {"tools": [{"type": "function"}], "messages": [{"role": "user", "content": "a"}]}
    assert read(write("a.json", json.dumps(row, indent=indent).encode())) == [(1, row)]
    noted = {"notes": [{"by": "x"}], "prompt": "a", "completion": "b"}
    assert read(write("noted.json", json.dumps(noted).encode())) == [(1, noted)]


def test_a_number_that_is_none_spoils_no_row(write: Write) -> None:
    found = read(write("a.jsonl", b'{"text": "1", "score": NaN}\n{"text": NaN\n'))
    assert found[0] == (1, {"text": "1", "score": None})
    assert codes(found) == [(2, Code.NOT_JSON)]


def test_blanks_around_the_columns_of_a_header_do_not_count(write: Write) -> None:
    assert read(write("a.csv", b"prompt, completion\nhi,you\n")) == [(2, {"prompt": "hi", "completion": "you"})]


def test_a_table_gives_each_object_its_own_fields_only(write: Write) -> None:
    calls = [{"name": "a", "arguments": {"city": "Oslo"}}, {"name": "b", "arguments": {"zone": "CET"}}]
    rows = [{"text": None, "calls": [call]} for call in calls]
    assert [row for _, row in read(write("a.parquet", parquet(rows)))] == rows  # type: ignore[arg-type]


def test_a_date_that_python_has_not_spoils_no_row(write: Write) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"], "day": pa.array([10**14], pa.timestamp("s"))}), sink)
    assert read(write("a.parquet", sink.getvalue())) == [(1, {"text": "a", "day": None})]


def test_lines_of_csv_with_breaks_in_cells(write: Write) -> None:
    found = read(write("a.csv", b'text,b\n"1\n1",2\n3,4,5\n"\xff",x\n6,7\n'))
    assert [line for line, _ in found] == [2, 4, 5, 6]
    assert codes(found) == [(4, Code.BROKEN_ROW), (5, Code.BAD_ENCODING)]


def test_a_row_that_is_too_large_is_skipped_in_bounded_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_ROW_BYTES", 100)
    found = read(write("a.jsonl", b'{"text": "' + b"x" * 1000 + b'"}\n{"text": "2"}\n'))
    assert codes(found) == [(1, Code.TOO_LARGE)]
    assert found[1] == (2, {"text": "2"})


def test_an_array_that_ends_early_says_where(write: Write) -> None:
    found = read(write("a.json", b'[{"text": "1"},\n{"text": "2"'))
    assert found[0] == (1, {"text": "1"})
    assert codes(found) == [(2, Code.NOT_JSON)]


def test_halves_of_characters_in_json_are_broken_encoding(write: Write) -> None:
    found = read(write("a.json", b'[{"text": "\\ud800"}, {"text": "ok"}]'))
    assert codes(found) == [(1, Code.BAD_ENCODING)]
    assert found[1] == (1, {"text": "ok"})


def test_deep_nesting_is_a_fault_of_the_row(write: Write) -> None:
    deep = b"[" * 200_000
    assert codes(read(write("a.jsonl", b'{"text": ' + deep + b'}\n{"text": "2"}\n')))[0] == (1, Code.NOT_JSON)
    assert codes(read(write("a.json", b"[" + deep)))[0] == (1, Code.NOT_JSON)


def test_members_of_a_shard_are_one_row_by_their_stem(write: Write) -> None:
    data = archive({"0.txt": b"hello", "0.cls": b"7", "1.txt": b"\xff", "2.json": b"[]", "3.txt": b"end"})
    found = read(write("a.tar", data))
    assert found[0] == (1, {"text": "hello", "cls": "7"})
    assert codes(found) == [(2, Code.BAD_ENCODING), (3, Code.NOT_JSON)]
    assert found[3] == (4, {"text": "end"})


def test_a_picture_in_a_shard_spoils_no_row(write: Write) -> None:
    data = archive({"0.jpg": b"\xff\xd8", "0.json": b'{"text": "a"}'})
    assert read(write("a.tar", data)) == [(1, {"jpg": b"\xff\xd8", "text": "a"})]


def test_links_and_devices_in_a_shard_are_no_rows(write: Write) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(f"{number}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read(write("a.tar", sink.getvalue())) == []


@pytest.mark.parametrize("name", ["a.parquet", "file.arrow", "stream.arrow", "a.tar", "a.jsonl.gz", "a.csv.zst"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_unreadable_and_named(write: Write, name: str, keep: float) -> None:
    whole = FORMATS[name](ROWS)
    with pytest.raises(UserError, match=name) as caught:
        read(write(name, whole[: int(len(whole) * keep)]))
    assert caught.value.reason is Reason.DATASET_UNREADABLE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE html><html>sign in</html>", "web page"),
        (b"\x00\x01\x02\x03", "looks like none of"),
        (b"just words\n", "looks like none of"),
        (b"", "looks like none of"),
    ],
)
def test_what_is_no_data_is_refused(write: Write, data: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        read(write("download", data))
    assert caught.value.reason is Reason.DATASET_UNREADABLE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<html>sign in</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_what_lies_in_the_place_of_a_file_is_said(write: Write, name: str, data: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read(write(name, data))


def test_an_unknown_named_format_lists_those_that_are_known(write: Write) -> None:
    with pytest.raises(UserError, match="'xlsx' is none of csv, tsv, json"):
        read(write("a.bin", b"x"), "xlsx")


def test_a_bomb_in_a_data_file_is_stopped(write: Write) -> None:
    path = write("a.jsonl.gz", gzip.compress(bytes(80 << 20), 6))
    with pytest.raises(UserError, match="expands more than 200 times"):
        read(path)


@given(data=st.binary(max_size=300), name=st.sampled_from(sorted(FORMATS)))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_no_bytes_break_a_reader(write: Write, data: bytes, name: str) -> None:
    """Whatever lies in a file is rows, faults of rows, or an unreadable file."""
    for content in (data, FORMATS[name](ROWS[:3])[:100] + data):
        with suppress(UserError):
            assert all(line > 0 for line, _ in read(write(name, content)))
