"""Which fields each section of `training_config.yaml` can have, as data.

Two files keep what is slow to ask for: `config_fields.json` the JSON schemas of the models in `schemas.config`, and
`library_fields.json` what the installed training libraries know. Both are written by

    python -m schemas.field_tables

and a test fails when one of them no longer says what its source says.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

Table = Mapping[str, Mapping[str, Mapping[str, Any]]]

SECTIONS = (
    *("ModelConfig", "QuantizationConfig", "LoraConfig"),
    *("TrainingArguments", "DatasetConfig", "DataCollator"),
)

_FOLDER = Path(__file__).parent / "data"


@cache
def config_fields() -> Table:
    """By section and field: a JSON schema and its `default`, as `schemas.config` declares it."""
    return _load("config_fields.json")


@cache
def library_fields() -> Table:
    """By section and field: `type`, `default` and perhaps `choices`, as the libraries declare it."""
    return _load("library_fields.json")


def _load(name: str) -> Table:
    table: Table = json.loads((_FOLDER / name).read_bytes())
    return table


def declared_fields() -> dict[str, dict[str, dict[str, Any]]]:
    """What `config_fields.json` has to say."""
    from schemas.config import SECTION_MODELS  # noqa: PLC0415  # Reading the tables must not cost importing pydantic.

    tables = {}
    for section, model in SECTION_MODELS.items():
        defaults = json.loads(model().model_dump_json())
        properties = model.model_json_schema()["properties"]
        tables[section] = {
            field: {key: value for key, value in schema.items() if key != "title"} | {"default": defaults[field]}
            for field, schema in properties.items()
        }
    return tables


def write() -> None:
    """Writes both files anew."""
    from schemas.library_fields import installed_fields  # noqa: PLC0415  # It looks at installed packages.

    for name, table in (("config_fields.json", declared_fields()), ("library_fields.json", installed_fields())):
        (_FOLDER / name).write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
