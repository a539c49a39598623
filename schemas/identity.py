"""What makes two requests the same job."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.workspace import ResolvedSpec

_ID_DIGITS = 12
_MAX_LABEL = 63
_LABEL = rf"[a-z0-9](?:[a-z0-9-]{{0,{_MAX_LABEL - 2}}}[a-z0-9])?"
_DEFAULT_NAMESPACE = "default"
_EXACT_FLOATS = 2.0**53
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(spec: "ResolvedSpec") -> bytes:
    """One spelling for each spec: sorted keys, no blanks, whole numbers without a fraction (as RFC 8785 has it).

    Left out is what cannot change the result: who set a value, the resources asked for, and values of the
    configuration that are its defaults, so that a release with one more field gives the same ids.
    """
    parts = {name: part for name, part in spec.plain.items() if name != "fixed"}
    return canonical_json(parts | {"config": spec.config.changed})


def canonical_json(value: object) -> bytes:
    return _CANONICAL.encode(_whole_numbers(value)).encode()


def digest(spec: "ResolvedSpec") -> str:
    return hashlib.sha256(canonical(spec)).hexdigest()


def job_id(spec: "ResolvedSpec", *, nonce: str | None = None) -> str:
    """`<namespace>.<name>.<12 hex>`. A nonce (`--rerun`) makes the same spec another job."""
    return identify(spec, nonce=nonce)[0]


def identify(spec: "ResolvedSpec", *, nonce: str | None = None) -> tuple[str, str]:
    """The job's id and the spec's digest, for the price of one."""
    content = canonical(spec)
    spec_digest = job_digest = hashlib.sha256(content).hexdigest()
    if nonce is not None:
        job_digest = hashlib.sha256(content + b"\n" + nonce.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{spec.namespace}.{spec.name}.{job_digest[:_ID_DIGITS]}", f"sha256:{spec_digest}"


def is_job_id(text: str) -> bool:
    """True for what `job_id` makes: safe in keys, paths and addresses."""
    return re.fullmatch(rf"{_LABEL}\.{_LABEL}\.[0-9a-f]{{{_ID_DIGITS}}}", text) is not None


def rejected_job_id(raw: object) -> str:
    """For a request that cannot be resolved: the same bytes, or the same value, always get the same id."""
    content = raw if isinstance(raw, bytes) else _any_text(raw).encode("utf-8", "surrogatepass")
    namespace, name = _named(raw)
    return f"{namespace}.{name}.{hashlib.sha256(content).hexdigest()[:_ID_DIGITS]}"


def _any_text(raw: object) -> str:
    try:
        return json.dumps(raw, sort_keys=True, default=repr)
    except (TypeError, ValueError, RecursionError):  # Keys of several types, or a value inside itself.
        return repr(raw)


def _named(raw: object) -> tuple[str, str]:
    value = raw
    if isinstance(raw, bytes):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            value = None
    if isinstance(value, Mapping) and isinstance(value.get("workspace"), Mapping):
        value = value["workspace"]
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    if not isinstance(metadata, Mapping):
        metadata = {}
    return (
        _label(metadata.get("namespace")) or _DEFAULT_NAMESPACE,
        _label(metadata.get("name")) or "invalid",
    )


def _label(text: object) -> str:
    """Whatever of a text can stand in an RFC 1123 label."""
    if not isinstance(text, str):
        return ""
    return re.sub(r"[^a-z0-9]+", "-", text[: 4 * _MAX_LABEL].lower())[:_MAX_LABEL].strip("-")


def _whole_numbers(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOATS:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    return value
