"""`docs/reference/settings.md`, from the settings classes."""

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from lorabus.settings import CallerSettings
from services.common.settings import Settings
from services.ingest.settings import IngestSettings
from services.publisher.settings import PublisherSettings
from services.trainer.settings import TrainerSettings

_HEAD = """# Settings

Generated from the settings classes by `python -m docs.generate`.

Every setting is a variable of the environment. A service that cannot use a value does not start and names the
variable. Variables of `LORABUS_` that a service does not know are ignored. A secret is best given as a file
(`…_FILE`), which is how Kubernetes and compose mount it.
"""
_TAIL = """## Traces

OpenTelemetry's own variables, for the services and the command: `OTEL_TRACES_EXPORTER` (`otlp`, `zipkin`, `console`
or `none`, the default), `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_ZIPKIN_ENDPOINT`, `OTEL_SDK_DISABLED`.

## This machine

`LORABUS_CACHE` is where `lorabus up` and the tests keep what they fetch or build once for each user
(default `~/.cache/lorabus`; safe to delete).
"""
CLASSES: Mapping[str, type[Settings]] = {
    "Every service and the command": Settings,
    "The command": CallerSettings,
    "ingest": IngestSettings,
    "trainer": TrainerSettings,
    "publisher": PublisherSettings,
}
_BELOW_HOME = {
    "store": "file://$LORABUS_HOME/store",
    "models": "$LORABUS_HOME/models",
    "secrets_dir": "$LORABUS_HOME/secrets",
    "configmaps_dir": "$LORABUS_HOME/configmaps",
    "volumes_dir": "$LORABUS_HOME/volumes",
    "worker": "<host>-<pid>",
}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(title, kind) for title, kind in CLASSES.items()), _TAIL])


def own_fields(kind: type[Settings]) -> dict[str, FieldInfo]:
    """What a class has beside the settings that all share."""
    shared = Settings.model_fields if kind is not Settings else {}
    return {name: field for name, field in kind.model_fields.items() if name not in shared}


def _section(title: str, kind: type[Settings]) -> str:
    rows = [_row(name, field) for name, field in own_fields(kind).items()]
    return "\n".join([f"## {title}", "", "| variable | default | |", "| --- | --- | --- |", *rows, ""])


def _row(name: str, field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    limits = _limits(field)
    description = str(field.description or "").replace("<", "&lt;")
    words = [description, f"One of {choices}." if choices else "", limits]
    return f"| `LORABUS_{name.upper()}` | {_default(name, field)} | {' '.join(word for word in words if word)} |"


def _default(name: str, field: FieldInfo) -> str:
    value = _BELOW_HOME.get(name, field.default)
    if value in (None, (), "") or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{int(value) if float(value).is_integer() else value}`"
    return f"`{value.as_posix() if isinstance(value, Path) else value}`"


def _choices(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    return ""


def _limits(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [
        f"{words[name]} {getattr(rule, name):g}"
        for rule in field.metadata
        for name in words
        if isinstance(getattr(rule, name, None), int | float)
    ]
    whole = " A whole number." if int in (field.annotation, *_members(field.annotation)) else ""
    return f"{' and '.join(found).capitalize()}.{whole}" if found else whole.strip()


def _members(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if isinstance(annotation, types.UnionType) else ()
