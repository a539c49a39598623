"""Write the reference pages that follow from the code, or check that they are what they should be.

python -m docs.generate [--check]

Links whose text is a test's name are led to the file in which the test stands today. `python -m schemas.generate` does
the same for AsyncAPI and the JSON Schemas.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from docs.reference import commands, decisions, metrics, settings, training_config

FOLDER = Path(__file__).parent
_ROOT = FOLDER.parent
_PROOF = re.compile(r"\[`(test_\w+)`\]\(([^)]*)\)")
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def files() -> dict[str, str]:
    """Every generated page, by its path below `docs`."""
    places = places_of_tests()
    linked = {page.name: relinked(page.read_text(), places) for page in sorted(FOLDER.glob("*.md"))}
    return linked | {
        "reference/cli.md": commands.page(),
        "reference/settings.md": settings.page(),
        "reference/training-config.md": training_config.page(),
        "metrics.md": metrics.page(),
        "adr/README.md": decisions.page(FOLDER / "adr"),
    }


def places_of_tests() -> dict[str, list[str]]:
    """The files in which each test stands, from the root."""
    places: dict[str, list[str]] = {}
    for path in sorted((_ROOT / "tests").rglob("test_*.py")):
        for name in _TEST.findall(path.read_text()):
            places.setdefault(name, []).append(str(path.relative_to(_ROOT)))
    return places


def relinked(text: str, places: Mapping[str, list[str]]) -> str:
    """A link that is right stays; one that is not goes where the test is. A test that is nowhere is left as it is."""

    def link(match: re.Match[str]) -> str:
        known = [f"../{place}" for place in places.get(match[1], [])]
        target = match[2] if match[2] in known or not known else known[0]
        return f"[`{match[1]}`]({target})"

    return _PROOF.sub(link, text)


def drift() -> list[str]:
    """Say which pages are missing or different."""
    return [name for name, text in files().items() if not _is(FOLDER / name, text)]


def main(arguments: list[str]) -> int:
    """Write, or with `--check` only tell."""
    made = files()
    for name in drift():
        if arguments == ["--check"]:
            print(f"docs/{name} is not what `python -m docs.generate` writes", file=sys.stderr)
        else:
            (FOLDER / name).write_text(made[name])
    return 1 if drift() else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
