"""The pages of `docs/`, served by ingest itself so that no link leads to another host."""

import posixpath
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

PACKAGED = Path(str(files("services.ingest.pages"))) / "docs"
"""Where the container image has them; a checkout has `docs/` at its root, and elsewhere there may be none."""
CHECKOUT = Path(__file__).parents[3] / "docs"
_NO_NAME = re.compile(r"[^\w\- ]")


def folder() -> Path:
    """Where the pages lie."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


@cache
def names() -> frozenset[str]:
    """The pages that there are: paths below `docs/` without `.md`."""
    return frozenset(str(file.relative_to(folder()).with_suffix("")) for file in folder().rglob("*.md"))


@cache
def document(name: str) -> tuple[str, str]:
    """A page's title and its HTML; headings have the anchors that its links use. `KeyError` when there is none."""
    if name not in names():
        raise KeyError(name)
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((folder() / f"{name}.md").read_text())
    title = _text_after(tokens, 0) if tokens and tokens[0].tag == "h1" else name
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(_text_after(tokens, index)))
        if token.type == "fence":
            token.attrSet("tabindex", "0")
        token.children = _only_served(token.children, name) if token.children else token.children
    return title, parser.renderer.render(tokens, parser.options, {})


def anchor(heading: str) -> str:
    """As hosts of repositories make them: lower case, dashes for blanks, no other signs."""
    return _NO_NAME.sub("", heading.lower()).replace(" ", "-")


def _text_after(tokens: list[Token], index: int) -> str:
    return "".join(child.content for child in tokens[index + 1].children or ())


def _only_served(children: list[Token], name: str) -> list[Token]:
    """Without pictures, and without links to what is not served here: their words stay."""
    kept, inside = [], [True]
    for child in children:
        if child.type == "link_open":
            inside.append(_is_served(str(child.attrGet("href")), name))
        served = inside[-1]
        if child.type == "link_close":
            inside.pop()
        if child.type != "image" and (served or child.type not in ("link_open", "link_close")):
            kept.append(child)
    return kept


def _is_served(href: str, name: str) -> bool:
    page, _, _ = href.partition("#")
    return not page or (page.endswith(".md") and target(page, name) in names())


def target(href: str, name: str) -> str:
    """The page that a link on the page `name` leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), href)).removesuffix(".md")
