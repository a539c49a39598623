"""Write `dashboards/*.json` from the tables in `panels.py`, or check that they are what they should be.

python -m deploy.grafana [--check]
"""

import json
import sys
from pathlib import Path

from deploy.grafana.panels import DASHBOARDS, Panel

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
COLUMNS, WIDE, HIGH, NUMBER_WIDE, NUMBER_HIGH = 24, 8, 8, 6, 4


def files() -> dict[str, str]:
    """Every dashboard, by its file's name. Pure."""
    return {
        f"{name}.json": json.dumps(_dashboard(name, panels), indent=1) + "\n" for name, panels in DASHBOARDS.items()
    }


def drift(folder: Path = FOLDER) -> list[str]:
    """Say which files are missing, different or left over."""
    wanted, there = files(), {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def _dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, object]:
    return {
        "uid": f"lorabus-{name}",
        "title": f"lorabus: {name}",
        "tags": ["lorabus"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["lorabus"], "title": "lorabus", "asDropdown": False}],
        "panels": _placed(panels),
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, object]]:
    """Numbers in the first row, curves below them, from left to right."""
    placed, x, y, row = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        wide, high = (NUMBER_WIDE, NUMBER_HIGH) if panel.number else (WIDE, HIGH)
        if x + wide > COLUMNS or (row and row != high):
            x, y = 0, y + row
        placed.append({**_panel(number, panel), "gridPos": {"x": x, "y": y, "w": wide, "h": high}})
        x, row = x + wide, high
    return placed


def _panel(number: int, panel: Panel) -> dict[str, object]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
        for index, (query, legend) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": "stat" if panel.number else "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def main(arguments: list[str]) -> int:
    """Write, or with `--check` only tell."""
    for name in drift():
        if arguments == ["--check"]:
            print(f"deploy/grafana/dashboards/{name} is not what `python -m deploy.grafana` writes", file=sys.stderr)
        elif name in files():
            (FOLDER / name).write_text(files()[name])
        else:
            (FOLDER / name).unlink()
    return 1 if drift() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
