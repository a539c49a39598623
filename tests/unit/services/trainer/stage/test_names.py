"""File names out of what servers and URLs say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.dataset.names import MAX_NAME, data_extension, is_data_file, name_of
from services.trainer.stage.files import distinct


@pytest.mark.parametrize(
    ("path", "disposition", "content_type", "name"),
    [
        ("/a/train.parquet", None, None, "train.parquet"),
        ("/a/my%20data.csv", None, None, "my data.csv"),
        ("/a/", None, None, "source-1"),
        ("", None, None, "source-1"),
        ("/download", 'attachment; filename="rows.jsonl"', None, "rows.jsonl"),
        ("/x.csv", "attachment; filename*=UTF-8''z%C3%BC.jsonl", None, "zü.jsonl"),
        ("/x.csv", "attachment; filename*=UTF-8''z%C3%BC.jsonl; filename=\"z.bin\"", None, "zü.jsonl"),
        ("/x", "attachment; filename=../../etc/passwd", None, "passwd"),
        ("/x", r'attachment; filename="C:\\temp\\a.csv"', None, "a.csv"),
        ("/..%2f..%2fetc%2fpasswd", None, None, "passwd"),
        ("/%2e%2e", None, None, "source-1"),
        ("/download", None, "application/json; charset=utf-8", "download.json"),
        ("/download", None, "application/x-ndjson", "download.jsonl"),
        ("/a.csv", None, "application/json", "a.csv"),
        ("/a%00b%0a.csv", None, None, "a_b_.csv"),
        ("/x.csv", "attachment; filename*=no-such-charset''y.csv", None, "y.csv"),
    ],
)
def test_a_name(path: str, disposition: str | None, content_type: str | None, name: str) -> None:
    assert name_of(path, disposition, content_type, fallback="source-1") == name


@given(path=st.text(max_size=300), disposition=st.none() | st.text(max_size=300), kind=st.none() | st.text(max_size=50))
def test_whatever_is_said_the_name_is_one_harmless_part(path: str, disposition: str | None, kind: str | None) -> None:
    for said in (disposition, f"attachment; filename={disposition}", f"attachment; filename*={disposition}"):
        name = name_of(path, said, kind, fallback="source-1")
        assert name
        assert len(name) <= MAX_NAME + 10
        assert not {"/", "\\", "\0", "\n"} & set(name)
        assert not name.startswith(".")


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.CSV", "csv"),
        ("a.jsonl.gz", "jsonl"),
        ("a.tar.zst", "tar"),
        ("a.b.parquet", "parquet"),
        ("a.csv/readme", None),
        ("csv", None),
        ("a.gz", None),
        ("a.txt", None),
    ],
)
def test_the_extension_that_tells_the_format(name: str, extension: str | None) -> None:
    assert data_extension(name) == extension


@given(st.lists(st.sampled_from(["a.csv", "A.csv", "b/a.csv", "a~2.csv", "x"]), max_size=8))
def test_names_are_kept_apart_whatever_their_case(names: list[str]) -> None:
    result = distinct(names)
    assert len({name.casefold() for name in result}) == len(names)
    assert [name for name, before in zip(result, names, strict=True) if name == before] or not names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("saved/data-00000-of-00001.arrow", True),
        ("saved/state.json", False),
        ("dataset_dict.json", False),
        ("a.md", False),
    ],
)
def test_what_describes_a_dataset_is_no_data(name: str, expected: bool) -> None:
    assert is_data_file(name) is expected
