"""docs/traces.md names every span and attribute that the code makes, and none that it does not."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from tests.unit.docs.pages import ROOT

PAGE = (ROOT / "docs" / "traces.md").read_text()
_KEY = re.compile(r"(lorabus|messaging|http|url|server|network|error)\.[a-z_.]+")
BY_FASTAPI = {
    *("http.route", "url.path", "url.query", "url.scheme", "server.address", "server.port"),
    *("http.request.method", "http.response.status_code", "network.protocol.version", "error.type"),
}
_CALLS = {"span", "record"}
_SETTERS = {"set_attribute"}


def trees() -> Iterator[ast.Module]:
    for folder in ("services", "lorabus"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(ROOT / "services/common/metrics.py"):
                yield ast.parse(path.read_text())


@functools.cache
def nodes() -> list[ast.AST]:
    return [node for tree in trees() for node in ast.walk(tree)]


def first_words(node: ast.Call) -> str | None:
    """The name that a span is given, as far as it stands in the code."""
    match node.args[0] if node.args else None:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
            return name
    return None


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def made_names() -> set[str]:
    calls = [node for node in nodes() if isinstance(node, ast.Call) and called(node) in _CALLS]
    return {name for call in calls if (name := first_words(call))}


def made_attributes() -> set[str]:
    keys = [key for node in nodes() if isinstance(node, ast.Dict) for key in node.keys]
    keys += [node.args[0] for node in nodes() if isinstance(node, ast.Call) and called(node) in _SETTERS and node.args]
    texts = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return {text for text in texts if _KEY.fullmatch(text)}


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [row for row in cells if row[0].startswith("`")]


def documented(heading: str) -> set[str]:
    return {name for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_span_is_on_the_page_and_the_other_way_round() -> None:
    told = {re.split(r"(?<= )\{|(?<= )tuning", name)[0].strip() for name in documented("Spans")}
    assert {name.strip() for name in made_names()} - {"process", "send", "POST"} == told - {"process", "send", "POST"}
    assert {"process", "send", "POST"} <= told


def test_every_attribute_is_on_the_page_and_the_other_way_round() -> None:
    assert made_attributes() | BY_FASTAPI == documented("Attributes")


def test_kinds_are_opentelemetrys_words() -> None:
    assert {row[1] for row in rows("Spans")} <= {"internal", "producer", "consumer", "server", "client"}
