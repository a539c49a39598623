"""`LoraConfig.target_modules` against what the model's architecture really has."""

import re
from collections.abc import Iterable

from schemas.admission.sections import Place, Values
from schemas.presets import Preset
from schemas.problems import did_you_mean, shown

_HEADS = {"lm_head", "embed_out"}


def resolve_modules(wanted: list[str] | str | None, preset: Preset, place: Place) -> list[str] | str | None:
    """What PEFT gets: fused projections in place of their parts, the preset's own list when the request has none."""
    if wanted is None:
        return list(preset.target_modules) or None
    if isinstance(wanted, str):
        _check_pattern(wanted, place)
        return wanted
    _check_names(wanted, preset, place)
    if not preset.target_modules:
        return wanted
    found: dict[str, None] = {}
    missing: list[str] = []
    for name in wanted:
        module = _found(name, preset)
        if module:
            found[module] = None
        else:
            missing.append(name)
    _say_fused(wanted, preset, place)
    _say_missing([name for name in missing if not _is_head(name)], found, preset, place)
    return list(found)


def warn_of_modules(lora: Values, preset: Preset, place: Place) -> None:
    """Names that PEFT looks for in vain: it says nothing, and does as if they were not there."""
    for field in ("rank_pattern", "alpha_pattern", "exclude_modules"):
        names = [name for name in lora.get(field) or () if preset.target_modules and not _is_head(name)]
        missing = [name for name in names if _found(name, preset) != name]
        if missing:
            has = ", ".join(preset.target_modules)
            text = f"{', '.join(shown(name) for name in missing[:10])} not found in {preset.name}, which has {has}"
            place.warn(field, f"has no effect: {text}")


def _check_names(wanted: list[str], preset: Preset, place: Place) -> None:
    """What no model takes: nothing at all, and the output head, for the trainer computes the loss past it in pieces."""
    if not wanted:
        what = ", ".join(preset.target_modules) or "all linear modules"
        place.refuse("target_modules", f"invalid value: the list is empty; leave it out for {what}")
    heads = [name for name in wanted if _is_head(name)]
    if heads:
        text = "the output head cannot carry an adapter; put it into modules_to_save"
        place.refuse("target_modules", f"invalid value: {', '.join(map(shown, heads[:10]))}: {text}")


def _is_head(name: str) -> bool:
    return name.rpartition(".")[2] in _HEADS


def _check_pattern(pattern: str, place: Place) -> None:
    """Whether it matches anything, the trainer's confined child finds out: some patterns take for ever."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        place.refuse("target_modules", f"invalid value: {shown(pattern)!r} is no regular expression: {error}")


def _found(name: str, preset: Preset) -> str | None:
    """The name itself where the model has it, the fused module where it is a part of one."""
    before, dot, last = name.rpartition(".")
    if last in preset.target_modules or last == preset.embeddings:
        return name
    return f"{before}{dot}{preset.fused[last]}" if last in preset.fused else None


def _say_fused(wanted: Iterable[str], preset: Preset, place: Place) -> None:
    parts = [name for name in wanted if name.rpartition(".")[2] in preset.fused]
    whole = dict.fromkeys(preset.fused[name.rpartition(".")[2]] for name in parts)
    if parts:
        text = f"{preset.name} computes {', '.join(parts)} together as {', '.join(whole)}, which is tuned instead"
        place.warn("target_modules", text)


def _say_missing(missing: list[str], found: Iterable[str], preset: Preset, place: Place) -> None:
    if not missing:
        return
    names = ", ".join(shown(name) for name in missing[:10])
    hint = did_you_mean(missing[0], preset.target_modules)
    text = f"Target modules {names} not found in {preset.name}{hint}; it has {', '.join(preset.target_modules)}"
    if list(found):
        place.warn("target_modules", text)
    else:
        place.refuse("target_modules", text)
