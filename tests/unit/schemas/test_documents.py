"""YAML and JSON that nobody vouches for: plain values, or a clear refusal with a place, in bounded time and memory."""

import json
import math
import resource

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Document, DocumentError, load_documents


def values(text: str | bytes, name: str = "file.yaml") -> list[object]:
    return [document.value for document in load_documents(text, name=name)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: yes\nb: No\nc: on\nd: OFF\ne: true", {"a": True, "b": False, "c": True, "d": False, "e": True}),
        ("a: y\nb: n", {"a": "y", "b": "n"}),
        ("[~, null, Null, '', ]", [None, None, None, ""]),
        ("[1, -1, +1, 010, 0x1F, 0b11, 1_000, 0]", [1, -1, 1, 8, 31, 3, 1000, 0]),
        ("[1.5, .5, 1.0e+3, -6.0]", [1.5, 0.5, 1000.0, -6.0]),
        ("[1e3, 2e-4, 1.2.3]", ["1e3", "2e-4", "1.2.3"]),
        (
            "[12:30:45, 1:20, 2020-01-01, 2020-01-01T10:00:00Z]",
            ["12:30:45", "1:20", "2020-01-01", "2020-01-01T10:00:00Z"],
        ),
        ("['1', \"true\", !!str 5, <<, =]", ["1", "true", "5", "<<", "="]),
        ("[!!int '5', !!float '5', !!bool 'yes', !!null '']", [5, 5.0, True, None]),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x 5\nb: [*x, *x]", {"a": 5, "b": [5, 5]}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", {"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}}),
        ("<<: [{a: 1}, {a: 2, b: 3}]", {"a": 1, "b": 3}),
        ("1: a\n2.5: b\nfalse: c\nnull: d", {1: "a", 2.5: "b", False: "c", None: "d"}),
        ("? a\n: b", {"a": "b"}),
        ("# only a comment\na: 1 # here too", {"a": 1}),
        ('{"a": 1, b: yes}', {"a": 1, "b": True}),
        ("a: 'é\u2028😀'", {"a": "é\u2028😀"}),
        ('"\\u00e9\\t\\x41"', "é\tA"),
        ("=", "="),
    ],
)
def test_yaml_as_kaito_reads_it(text: str, expected: object) -> None:
    (value,) = values(text)
    assert value == expected
    assert repr(value) == repr(expected)


def test_infinities() -> None:
    (value,) = values("[.inf, -.INF, .nan]")
    assert isinstance(value, list)
    assert value[:2] == [math.inf, -math.inf]
    assert math.isnan(value[2])


def test_several_documents_know_their_place() -> None:
    text = "---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\n[3]\n"
    assert load_documents(text, name="x") == [Document({"a": 1}, 0, 1), Document({"b": 2}, 2, 5), Document([3], 3, 8)]


@pytest.mark.parametrize("text", ["", "\n\n", "# comment", "---\n---\n", "null"])
def test_an_empty_file_has_no_documents(text: str) -> None:
    assert values(text) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_are_taken(encoding: str) -> None:
    assert values("a: é😀".encode(encoding)) == [{"a": "é😀"}]
    assert values('{"a": "é😀"}'.encode(encoding), name="x.json") == [{"a": "é😀"}]


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (b"a: b: c", 1, 5, "mapping values are not allowed"),
        (b"a: 1\n\tb: 2", 2, 1, "violates indentation"),
        (b"a: [1,\n", 2, 1, "yaml"),
        (b"a: 'x", 1, 6, "quoted scalar"),
        (b"a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' stands twice"),
        (b"x: {a: 1, a: 1}", 1, 11, "stands twice"),
        (b"<<: {a: 1}\n<<: {b: 1}", 2, 1, "stands twice"),
        (b"<<: 5", 2, 1, "<< must name a map"),
        (b"a: *b", 1, 4, "names no anchor"),
        (b"a: &a [1, *a]", 1, 11, "names no anchor that is complete"),
        (b"[1]: 2", 1, 1, "a key must be"),
        (b"? {a: 1}\n: 2", 1, 3, "a key must be"),
        (b"a: !!python/object/apply:os.system ['x']", 1, 4, "only plain data"),
        (b"a: !custom x", 1, 4, "only plain data"),
        (b"a: !!binary eA==", 1, 4, "only plain data"),
        (b"a: !!set {b, c}", 1, 4, "only plain data"),
        (b"a: !!int x", 1, 4, "int"),
        (b"a: !!bool perhaps", 1, 4, "!!bool"),
        (b"a: \x00", 1, 4, "U+0000"),
        (b"a: 1\nb: x\x07y", 2, 5, "U+0007"),
        (b"a: \x7f", 1, 4, "U+007F"),
        (b'a: "\\0"', 1, 4, "U+0000"),
        (b'a: "\\x1b[31m"', 1, 4, "U+001B"),
        (b"a: 1\nb: \xff\xfe", 2, 4, "not UTF-8"),
        ("a: é".encode("latin-1"), 1, 4, "not UTF-8"),
        ("ä: ü\nb: ß".encode() + b"\xff", 2, 5, "not UTF-8"),
        (b"\xff\xfe" + "a: 1\nb: 2".encode("utf-16-le") + b"\n", 2, 5, "not UTF-16"),
        ("a: e".encode("utf-16-le"), 1, 2, "U+0000"),
        ("a: é".encode("utf-16-le"), 1, 7, "not UTF-8"),
        (b"\xff\xfea", 1, 1, "not UTF-16"),
        (b"%YAML 9.9\n---\na: 1", 1, 1, "incompatible YAML document"),
        ("a: \x85\x9f".encode(), 1, 5, "control characters"),
        (b"PK\x03\x04 a zip file", 1, 3, "is this a text file"),
    ],
)
def test_yaml_problems_have_a_place(data: bytes, line: int, column: int, words: str) -> None:
    with pytest.raises(DocumentError) as problem:
        values(data)
    assert words in str(problem.value)
    assert (problem.value.line, problem.value.column) == (line, column)
    assert str(problem.value).startswith(f"file.yaml:{line}:{column}: ")


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{"a": 1,}', 1, 9, "property name"),
        ('{"a": 1}\n{"b": 2}', 2, 1, "Extra data"),
        ("", 1, 1, "Expecting value"),
        ("a: 1", 1, 1, "Expecting value"),
        ('{"a": 1,\n "a": 2}', 2, 2, "the key 'a' stands twice"),
        ('{"x": {"é": 1, "é": 2}}', 1, 16, "stands twice"),
        ('{"a":\n  "x\\u0000"}', 2, 5, "U+0000"),
        ('{"\\ud800": 1}', 1, 3, "U+D800"),
        ('{"a": NaN}', 1, 1, "NaN"),
        ('{"a": -Infinity}', 1, 1, "Infinity"),
        ('{"a": ' + "1" * 5000 + "}", 1, 1, "more than 400 digits"),
    ],
)
def test_json_problems_have_a_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(DocumentError) as problem:
        values(text, name="file.json")
    assert words in str(problem.value)
    assert (problem.value.line, problem.value.column) == (line, column)


def bomb(levels: int, width: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "billion laughs": (bomb(10, 10), "once aliases are followed"),
    "a long text many times": ("a: &a " + "x" * 1_000_000 + "\nb: [" + "*a," * 1000 + "]", "once aliases are followed"),
    "merges that grow": (
        "a: &a {" + ",".join(f"k{n}: 1" for n in range(2000)) + "}\nb: [" + "{<<: *a}," * 2000 + "]",
        "once",
    ),
    "deep through aliases": (
        "\n".join(
            ["a0: &a0 " + "[" * 30 + "]" * 30, *(f"a{n}: &a{n} {'[' * 30}*a{n - 1}{']' * 30}" for n in range(1, 20))]
        ),
        "levels deep",
    ),
    "open brackets": ("[" * 4_000_000, "levels deep"),
    "open braces": ('{"a":' * 1_000_000, "levels deep"),
    "brackets that close": ("[" * 2_000_000 + "]" * 2_000_000, "levels deep"),
    "yaml brackets": ("a: " + "[" * 2_000_000, "levels deep"),
    "block lists": ("- " * 1_000_000, "levels deep"),
    "10 MB of nesting": ("[" * 10_000_000, "larger than 8 MiB"),
    "many empty lists": ("[" + "[]," * 1_000_000 + "[]]", "more than 1000000 values"),
    "many keys": (
        "{" + ",".join(f'"{n}":0' for n in range(510_000)) + "}",
        "larger than 8 MiB|more than 1000000 values",
    ),
    "a huge JSON number": ('{"a": ' + "9" * 4_000_000 + "}", "digits"),
    "a quote that never ends": ('a: "' + "\\\\" * 2_000_000, "quoted scalar"),
    "question marks": ("? " * 1_000_000, "a key must be"),
    "stars": ("*" * 4_000_000, "alias"),
    "anchors": ("&a " * 1_000_000, "yaml"),
    "colons": (":" * 10 + " a: " * 500_000, "yaml"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(20)
def test_hostile_files_are_refused_in_bounded_time_and_memory(name: str) -> None:
    text, words = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DocumentError, match=words):
        values(text)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600_000  # Kibibytes.


def test_a_huge_number_is_text() -> None:
    assert values("a: " + "9" * 4_000_000) == [{"a": "9" * 4_000_000}]


def test_shared_values_stay_within_their_budget() -> None:
    """Aliases are worth having: a thousand uses of a small map are fine."""
    (value,) = values("a: &a {b: [1, 2]}\nc: [" + "*a," * 1000 + "]")
    assert isinstance(value, dict)
    assert value["c"] == [{"b": [1, 2]}] * 1000


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), PLAIN, min_size=1), st.booleans(), st.booleans())
def test_what_is_written_is_read_again(value: dict[str, object], flow: bool, quoted: bool) -> None:
    style = '"' if quoted else None
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, default_style=None)
    assert values(text) == [value]
    if style and not any(isinstance(item, float) and math.isinf(item) for item in _leaves(value)):
        assert values(json.dumps(value), name="x.json") == [value]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=100), st.text("&*!{}[],:?-|>%@`'\"#\n\t a1~<=", max_size=100))
)
def test_any_bytes_are_documents_or_a_document_error(data: bytes | str) -> None:
    for name in ("file.yaml", "file.json"):
        try:
            found = load_documents(data, name=name)
        except DocumentError as problem:
            assert problem.line >= 1
            assert problem.column >= 1
            continue
        json.dumps([_with_text_keys(document.value) for document in found])


def _with_text_keys(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value
