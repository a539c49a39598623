"""One section of `training_config.yaml`: which of its fields are taken, and with which type."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas.admission.coerce import coerce
from schemas.admission.policy import (
    DROPPED,
    HAPPENS,
    IGNORED,
    INERT,
    MISSING_OPTIMIZERS,
    OLD_SCHEMAS,
    REFUSED,
    RENAMED,
    SWITCHES,
)
from schemas.field_tables import config_fields, library_fields
from schemas.problems import Findings, did_you_mean, shown

Values = dict[str, Any]

_KINDS: Mapping[str, Mapping[str, Any]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string", "maxLength": 4096},
    "dict": {"type": "object"},
    "list[str]": {"type": "array", "items": {"type": "string", "maxLength": 4096}},
    "null": {"type": "null"},
}
# torch knows some types by two names.
_TORCH_ALIASES = {"half": "float16", "float": "float32", "double": "float64"}
# What the defaults of fields are that only KAITO has, so that writing them out is not an error.
_KAITO_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "ModelConfig": {"pretrained_model_name_or_path": "/workspace/tfs/weights"},
    "QuantizationConfig": {"quant_method": "bitsandbytes"},
    "LoraConfig": {"peft_type": "LORA"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a section stands, for messages: its name and the path before a field's name."""

    section: str
    path: str
    findings: Findings

    def refuse(self, field: str, message: str) -> None:
        self.findings.refuse(f"{self.path}.{field}", message)

    def warn(self, field: str, message: str) -> None:
        self.findings.warn(f"{self.section}.{field}: {message}")


def read_section(values: Mapping[Any, object], place: Place) -> Values | None:
    """The fields that are set, each with its type. None when one is wrong, which then stands in `findings`."""
    before = len(place.findings.problems)
    made: Values = {}
    fields = _flattened(values, known_fields(place.section))
    names = [name for name, _ in fields]
    for given, value in fields:
        if place.findings.full:
            return None
        field = _current_name(given, place)
        if field is None or _refused(field, value, place) or _left_out(field, value, place):
            continue
        if field != given and value is None:
            continue
        if field != given and field in names:
            place.refuse(given, f"{field} is the same under its new name; keep one of the two")
        elif field in made and names.count(field) > 1:
            place.refuse(field, "is given twice, once inside another map; keep one of the two")
        elif given not in SWITCHES:
            made[field] = _typed(given, value, place, OLD_SCHEMAS.get(given) or _schema(place.section, field))
            _warn_of_inert(field, made[field], place)
        elif value:
            made[field] = SWITCHES[given]
    if len(place.findings.problems) > before:
        return None
    own, library = config_fields()[place.section], library_fields().get(place.section, {})
    return {field: value for field, value in made.items() if field in own or value != library[field]["default"]}


def with_defaults(section: str, values: Values) -> Values:
    """Every declared field."""
    return {field: schema["default"] for field, schema in config_fields()[section].items()} | values


def _flattened(values: Mapping[Any, object], known: Container[str]) -> list[tuple[Any, object]]:
    """As KAITO reads it: a map inside a section is the fields that its name and their names make (`outer_inner`)."""
    return [field for name, value in values.items() for field in _joined(name, value, known) or [(name, value)]]


def _joined(name: object, value: object, known: Container[str]) -> list[tuple[Any, object]]:
    """Empty for what is a field itself, and where one of the names that are made is not known."""
    if name in known or not isinstance(name, str) or not isinstance(value, Mapping):
        return []
    fields: list[tuple[Any, object]] = []
    for key, item in value.items():
        made = f"{name}_{key}"
        inner = [(made, item)] if made in known else _joined(made, item, known)
        if not inner:
            return []
        fields += inner
    return fields


def _current_name(given: object, place: Place) -> str | None:
    known = known_fields(place.section)
    if not isinstance(given, str) or given not in known:
        hint = did_you_mean(given, known) or "; the training libraries' documentation lists what there is"
        place.refuse(shown(given), f"unknown field {shown(given)!r}{hint}")
        return None
    renamed = RENAMED.get(place.section, {}).get(given)
    if renamed:
        place.warn(given, f"is taken as {renamed}, which is its name here")
    return renamed or given


@cache
def known_fields(section: str) -> frozenset[str]:
    tables: Iterable[Mapping[str, Mapping[str, object]]] = (
        *(REFUSED, IGNORED, DROPPED, RENAMED),
        *(config_fields(), library_fields()),
    )
    return frozenset(name for table in tables for name in table.get(section, {}))


def _refused(field: str, value: object, place: Place) -> bool:
    reason = REFUSED[place.section].get(field)
    if reason is None:
        return False
    if not _asks_nothing(field, value, place.section):
        place.refuse(field, f"{place.section}.{field} is not taken: {reason}")
    return True


def _left_out(field: str, value: object, place: Place) -> bool:
    reason = IGNORED[place.section].get(field) or DROPPED[place.section].get(field)
    if reason is not None and not (field in IGNORED[place.section] and _asks_nothing(field, value, place.section)):
        place.warn(field, f"has no effect: {reason}")
    return reason is not None


def _warn_of_inert(field: str, value: object, place: Place) -> None:
    reason = INERT[place.section].get(field)
    if reason and value not in HAPPENS.get(field, ()) and not _asks_nothing(field, value, place.section):
        place.warn(field, f"has no effect: {reason}")


def _asks_nothing(field: str, value: object, section: str) -> bool:
    """Null is nothing; so are false and empty values, unless the default says more."""
    table = library_fields().get(section, {}).get(field, {})
    default = _KAITO_DEFAULTS.get(section, {}).get(field, table.get("default"))
    return value is None or value == default or (not default and value in (False, "", [], {}))


def _typed(field: str, value: object, place: Place, schema: Mapping[str, Any]) -> object:
    if field in ("torch_dtype", "bnb_4bit_compute_dtype") and isinstance(value, str):
        value = _TORCH_ALIASES.get(value, value)
    try:
        made = coerce(schema, value)
    except ValueError as error:
        start = "Invalid torch dtype: " if field == "torch_dtype" else ""
        place.refuse(field, f"invalid value: {start}{shown(value)!r}: {place.section}.{field}: {error}")
        return None
    if field == "optim" and str(made).startswith(MISSING_OPTIMIZERS):
        place.refuse(field, f"invalid value: {made} needs a library that the trainer does not have; use adamw_torch")
    return made


@cache
def _schema(section: str, field: str) -> Mapping[str, Any]:
    """lorabus's own where it has one, with the library's choices, else what the library says."""
    own, library = config_fields()[section].get(field), library_fields().get(section, {}).get(field, {})
    choices = library.get("choices")
    if own is None:
        kinds = library["type"].split("|")
        # Text where the library takes a map is that map as JSON.
        own = {"anyOf": [_KINDS[kind] for kind in kinds if kind != "str" or "dict" not in kinds]}
    return {"enum": choices} if choices and own.get("type") == "string" and "enum" not in own else own
