"""Write `docs/asyncapi.json` and `docs/schemas/*.json` from the tables, or check that they are what they should be.

python -m schemas.generate [--check]
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from schemas.asyncapi import asyncapi, json_schema, message_models
from schemas.topics import full_type

DOCS = Path(__file__).parent.parent / "docs"


def files() -> dict[str, str]:
    """Every generated file, by its path below `docs/`. Pure."""
    made = {"asyncapi.json": _text(asyncapi())}
    return made | {f"schemas/{full_type(short)}.json": _text(json_schema(short)) for short in message_models()}


def write(docs: Path) -> None:
    """Write what differs and remove schemas of types that are gone."""
    for path, text in files().items():
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(text)
    for left_over in stale(docs):
        left_over.unlink()


def drift(docs: Path) -> list[str]:
    """Say which files are missing, different or left over."""
    wrong = [path for path, text in files().items() if not (docs / path).exists() or (docs / path).read_text() != text]
    return wrong + [str(path.relative_to(docs)) for path in stale(docs)]


def stale(docs: Path) -> list[Path]:
    """Schemas of types that are gone."""
    made = files()
    return [path for path in sorted((docs / "schemas").glob("*.json")) if f"schemas/{path.name}" not in made]


def _text(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write, or with `--check` only tell."""
    if arguments == ["--check"]:
        wrong = drift(DOCS)
        for path in wrong:
            print(f"docs/{path} is not what `python -m schemas.generate` writes", file=sys.stderr)
        return 1 if wrong else 0
    write(DOCS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
