"""The base models that lorabus knows by name, from `presets.yaml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import yaml

from schemas.problems import nearest

METHODS = ("lora", "qlora")
_DATA = Path(__file__).with_name("presets.yaml")
# A Hugging Face id; parts of dots only would be ways out of the folder of models.
_MODEL_ID = re.compile(r"(?!\.+(?:/|$))[A-Za-z0-9_.-]+(?:/(?!\.+(?:/|$))[A-Za-z0-9_.-]+)+")
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Preset:
    """Sizes in tokens, parameters and GiB. What is not known of a model without a preset is None or empty.

    `fused` gives, for names that people know from other models, the module that computes the same here.
    """

    name: str
    repository: str
    revision: str
    context_length: int | None
    target_modules: tuple[str, ...]
    fused: Mapping[str, str] = field(hash=False)
    chat_template: str | None
    methods: tuple[str, ...]
    parameters: int | None
    memory_gib: Mapping[str, int] = field(hash=False)
    aliases: tuple[str, ...] = ()
    tunable: bool = True
    embeddings: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownPreset:
    """No model has this name; `nearest` is the one that was most likely meant."""

    name: str
    nearest: str | None


@cache
def presets() -> Mapping[str, Preset]:
    """By canonical name, in the order of the data file; those that cannot be tuned come last."""
    with _DATA.open("rb") as file:
        data = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # Both are safe loaders.
    known = {name: _preset(name, entry, data["architectures"]) for name, entry in data["presets"].items()}
    return known | {name: _not_tunable(name) for name in data["not_tunable"]}


def tunable_presets() -> tuple[str, ...]:
    return tuple(name for name, preset in presets().items() if preset.tunable)


def find_preset(name: str) -> Preset | UnknownPreset:
    """By name or alias in any letter case, or any `organisation/model`."""
    known = presets().get(_by_alias().get(name.lower(), ""))
    if known:
        return known
    if len(name) <= _MAX_NAME and _MODEL_ID.fullmatch(name):
        return _by_repository(name)
    # One that can be tuned is a better hint than a nearer one that would be refused as well.
    tunable = [alias for alias, canonical in _by_alias().items() if presets()[canonical].tunable]
    return UnknownPreset(name, nearest(name, tunable) or nearest(name, _by_alias()))


@cache
def _by_alias() -> Mapping[str, str]:
    return {alias.lower(): preset.name for preset in presets().values() for alias in (preset.name, *preset.aliases)}


def _by_repository(repository: str) -> Preset:
    """A known repository keeps what is known of it, its pinned revision and its capitals too: the hub has no case."""
    for preset in presets().values():
        if preset.repository.lower() == repository.lower():
            return replace(preset, name=preset.repository, aliases=())
    return Preset(repository, repository, "main", None, (), {}, None, METHODS, None, {})


def _preset(name: str, entry: Mapping[str, object], architectures: Mapping[str, Mapping[str, object]]) -> Preset:
    shape = architectures[str(entry["architecture"])]
    return Preset(
        name=name,
        repository=str(entry["repository"]),
        revision=str(entry["revision"]),
        context_length=_integer(entry["context_length"]),
        target_modules=_names(shape["target_modules"]),
        fused=_mapping(shape.get("fused", {})),
        chat_template=str(entry["chat_template"]),
        methods=METHODS,
        parameters=_integer(entry["parameters"]),
        memory_gib={method: _integer(size) for method, size in _mapping(entry["memory"]).items()},
        aliases=_names(entry.get("aliases", [])),
        embeddings=str(shape["embeddings"]),
    )


def _not_tunable(name: str) -> Preset:
    return Preset(name, "", "", None, (), {}, None, (), None, {}, tunable=False)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{_DATA.name}: expected a list, not {value!r}")
    return tuple(str(item) for item in value)


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f"{_DATA.name}: expected a map, not {value!r}")
    return {str(key): str(item) for key, item in value.items()}


def _integer(value: object) -> int:
    return int(str(value))
