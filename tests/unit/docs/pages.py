"""The documentation as tests read it: pages, their code blocks, headings and links.

A block's info string says what is done with it: ```` ```sh ```` is run, ```` ```sh not-here ```` needs servers that
no test has and is only checked word by word, ```` ```yaml mine.yaml ```` is written to that file before the commands
below it run.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = {"sh", "yaml", "json", "python", "text"}
_FENCE = re.compile(r"^ *```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"(?<!\\)\[(?P<text>(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is that of its opening fence."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def runs(self) -> bool:
        return self.language == "sh" and "not-here" not in self.words

    @property
    def file(self) -> str | None:
        """The file that the block is the content of."""
        return self.words[0] if self.language != "sh" and self.words else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that does not leave the repository; `path` is empty for one within its page."""

    page: str
    text: str
    path: str
    anchor: str

    @property
    def target(self) -> Path:
        page = ROOT / self.page
        return (page.parent / self.path).resolve() if self.path else page

    def __str__(self) -> str:
        return f"{self.page}->{self.path}#{self.anchor}"


def pages() -> list[str]:
    """Every page that people read, by its path from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench/README.md", ROOT / "examples/README.md"]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [_block(page, text, match) for match in _FENCE.finditer(text)]


def _block(page: str, text: str, match: "re.Match[str]") -> Block:
    language, *words = match["info"].split() or [""]
    return Block(page, text[: match.start()].count("\n") + 1, language, tuple(words), match["text"])


def links(page: str) -> list[Link]:
    prose = _FENCE.sub("", (ROOT / page).read_text())
    found = []
    for match in _LINK.finditer(prose):
        path, _, anchor = match["target"].partition("#")
        if not re.match(r"[a-z]+:", path):
            found.append(Link(page, match["text"], path, anchor))
    return found


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    made: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", path.read_text())):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        anchor, number = words.replace(" ", "-"), 1
        while anchor in made:
            anchor, number = f"{words.replace(' ', '-')}-{number}", number + 1
        made.add(anchor)
    return made


def commands(text: str) -> list[str]:
    """The commands of a shell block: continued lines joined, comments and blank lines left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def prose(page: str) -> str:
    """A page without its blocks and its code."""
    return _CODE.sub("", _FENCE.sub("", (ROOT / page).read_text()))
