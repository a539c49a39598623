"""Write the reference pages that follow from the code, or check that they are what they should be.

python -m docs.generate [--check]

`python -m schemas.generate` does the same for AsyncAPI and the JSON Schemas.
"""

import sys
from pathlib import Path

from docs.reference import commands, metrics, settings

FOLDER = Path(__file__).parent


def files() -> dict[str, str]:
    """Every generated page, by its path below `docs/`. Pure."""
    return {
        "reference/cli.md": commands.page(),
        "reference/settings.md": settings.page(),
        "metrics.md": metrics.page(),
    }


def drift(folder: Path = FOLDER) -> list[str]:
    """Say which pages are missing or different."""
    return [name for name, text in files().items() if not _is(folder / name, text)]


def main(arguments: list[str]) -> int:
    """Write, or with `--check` only tell."""
    for name in drift():
        if arguments == ["--check"]:
            print(f"docs/{name} is not what `python -m docs.generate` writes", file=sys.stderr)
        else:
            (FOLDER / name).write_text(files()[name])
    return 1 if drift() else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
