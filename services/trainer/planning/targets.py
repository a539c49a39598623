"""Which modules of a model get an adapter: the request's names against what the model really has.

PEFT silently leaves out names that it does not find, as long as one is there. Here every name must match.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from schemas.failures import Reason
from schemas.problems import did_you_mean
from services.common.errors import UserError

ALL_LINEAR = "all-linear"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


def resolve_targets(wanted: object, linear: Sequence[str], fused: Mapping[str, str]) -> list[str] | str:
    """Give what PEFT takes: names, one pattern, or all-linear. `linear` are the full names of the linear modules."""
    if wanted is None or wanted in (ALL_LINEAR, [ALL_LINEAR]):
        return ALL_LINEAR
    names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted] if isinstance(wanted, list) else []
    if len(names) == 1 and not _PLAIN.fullmatch(names[0]):
        return _pattern(names[0], linear)
    known = {name.rpartition(".")[2] for name in linear}
    found = [_found(name, linear, fused) for name in names]
    missing = [name for name, module in zip(names, found, strict=True) if module is None]
    if missing or not names:
        raise _not_found(missing, known)
    return list(dict.fromkeys(module for module in found if module is not None))


def matches(name: str, module: str) -> bool:
    """Whether PEFT takes `module` for `name`."""
    return module == name or module.endswith(f".{name}")


def _found(name: str, linear: Iterable[str], fused: Mapping[str, str]) -> str | None:
    before, dot, last = name.rpartition(".")
    for candidate in (name, f"{before}{dot}{fused[last]}" if last in fused else name):
        if any(matches(candidate, module) for module in linear):
            return candidate
    return None


def _pattern(pattern: str, linear: Iterable[str]) -> str:
    try:
        found = any(re.fullmatch(pattern, module) for module in linear)
    except re.error as error:
        raise UserError(
            Reason.CONFIG_INVALID, f"LoraConfig.target_modules: {pattern!r} is no regular expression: {error}"
        ) from error
    if not found:
        raise _not_found([pattern], {module.rpartition(".")[2] for module in linear})
    return pattern


def _not_found(missing: Sequence[str], known: Iterable[str]) -> UserError:
    has = sorted(known)
    hint = did_you_mean(missing[0], has) if missing else ""
    return UserError(
        Reason.TARGET_MODULES_NOT_FOUND,
        f"LoraConfig.target_modules: {', '.join(missing) or 'the list'} not found in the model{hint}; "
        f"its linear modules are {', '.join(has)} (or say all-linear)",
    )
