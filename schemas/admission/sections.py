"""One section of `training_config.yaml`: which of its fields are taken, and with which type."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.admission.policy import DROPPED, IGNORED, MISSING_OPTIMIZERS, REFUSED, RENAMED, SWITCHES
from schemas.config import SECTION_MODELS, Float, Int, Section, Text
from schemas.library_fields import DATA
from schemas.problems import Findings, did_you_mean, shown

_KINDS: Mapping[str, object] = {
    "bool": bool,
    "int": Int,
    "float": Float,
    "str": Text,
    "dict": dict[str, Any],
    "list[str]": list[Text],
    "null": None,
}
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


@cache
def library_fields() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """By section and field: `type`, `default` and perhaps `choices`, as the installed libraries have them."""
    fields: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(DATA.read_bytes())
    return fields


def read_section(values: Mapping[object, object], place: Place) -> Section | None:
    """None when a field is wrong, which then stands in `findings`."""
    before = len(place.findings.problems)
    taken = _taken(values, place)
    _check_choices(taken, place)
    made = _typed(taken, place)
    return made if len(place.findings.problems) == before else None


def _taken(values: Mapping[object, object], place: Place) -> dict[str, object]:
    taken: dict[str, object] = {}
    for given, value in values.items():
        if place.findings.full:
            break
        field = _current_name(given, place)
        if field is None or _refused(field, value, place) or _left_out(field, value, place):
            continue
        if field in taken and field != given:
            place.refuse(shown(given), f"{field} is the same under its new name; keep one of the two")
        if given not in SWITCHES:
            taken[field] = _kwargs(field, value)
        elif value:
            taken[field] = SWITCHES[str(given)]
    return taken


def _current_name(given: object, place: Place) -> str | None:
    known = known_fields(place.section)
    if not isinstance(given, str) or given not in known:
        hint = did_you_mean(given, known) or f"; see {place.section} in the documentation of the training libraries"
        place.refuse(shown(given), f"unknown field {shown(given)!r}{hint}")
        return None
    renamed = RENAMED.get(place.section, {}).get(given)
    if renamed:
        place.warn(given, f"is {renamed} today and is taken as that")
    return renamed or given


@cache
def known_fields(section: str) -> frozenset[str]:
    tables = (REFUSED, IGNORED, DROPPED, RENAMED)
    policy = (name for table in tables for name in table.get(section, {}))
    return frozenset({*SECTION_MODELS[section].model_fields, *library_fields().get(section, {}), *policy})


def _refused(field: str, value: object, place: Place) -> bool:
    reason = REFUSED[place.section].get(field)
    if reason is None:
        return False
    if not _is_default(field, value, place.section):
        place.refuse(field, f"{place.section}.{field} is not taken: {reason}")
    return True


def _left_out(field: str, value: object, place: Place) -> bool:
    reason = IGNORED[place.section].get(field) or DROPPED[place.section].get(field)
    if reason is not None and not _is_default(field, value, place.section):
        place.warn(field, f"has no effect: {reason}")
    return reason is not None


def _is_default(field: str, value: object, section: str) -> bool:
    """Null, false and empty values ask for nothing."""
    table = library_fields().get(section, {}).get(field, {})
    default = _KAITO_DEFAULTS.get(section, {}).get(field, table.get("default"))
    return value == default or (not default and value in (None, False, "", [], {}))


def _kwargs(field: str, value: object) -> object:
    """The libraries take a map of arguments as JSON text too."""
    if field.endswith("_kwargs") and isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _check_choices(taken: Mapping[str, object], place: Place) -> None:
    for field, value in taken.items():
        choices = library_fields().get(place.section, {}).get(field, {}).get("choices")
        if not choices or not isinstance(value, str) or field in ("init_lora_weights", "bias"):
            continue
        if value not in choices:
            hint = did_you_mean(value, choices) or f"; it must be one of {', '.join(map(str, choices))}"
            place.refuse(field, f"invalid value: {shown(value)!r}{hint}")
        elif field == "optim" and value.startswith(MISSING_OPTIMIZERS):
            place.refuse(
                field, f"invalid value: {value} needs a library that the trainer does not have; use adamw_torch"
            )


def _typed(taken: Mapping[str, object], place: Place) -> Section | None:
    model = SECTION_MODELS[place.section]
    declared = {field: value for field, value in taken.items() if field in model.model_fields}
    others = {field: _other(field, value, place) for field, value in taken.items() if field not in declared}
    try:
        made = model.model_validate(declared)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            _explain(problem["loc"], problem["msg"], problem["input"], place)
        return None
    kept = {field: value for field, value in others.items() if not _is_default(field, value, place.section)}
    return model.model_validate(declared | kept) if kept else made


def _other(field: str, value: object, place: Place) -> object:
    """A field of the library that lorabus has no opinion about."""
    try:
        return _adapter(library_fields()[place.section][field]["type"]).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _explain((field,), first["msg"], value, place)
        return None


@cache
def _adapter(kinds: str) -> TypeAdapter[Any]:
    union: Any = None
    for index, kind in enumerate(kinds.split("|")):
        union = _KINDS[kind] if index == 0 else union | _KINDS[kind]
    return TypeAdapter(union)


def _explain(loc: tuple[int | str, ...], message: str, value: object, place: Place) -> None:
    field, *inside = loc
    where = "".join(f"[{part}]" for part in inside if isinstance(part, int))
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    if field == "torch_dtype":
        text = f"Invalid torch dtype: {text}"
    place.refuse(f"{field}{where}", f"{place.section}.{field} {text}, got {shown(value)!r}")
