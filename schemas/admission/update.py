"""What an update of a Workspace may change: everything but the model, the method and the machines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.admission.reading import Part, Reader
from schemas.admission.surroundings import Surroundings
from schemas.admission.workspace import DEFAULT_INSTANCE_TYPE
from schemas.presets import Preset, find_preset

if TYPE_CHECKING:
    from schemas.workspace import ResolvedSpec

_Map = Mapping[Any, object]


@dataclass(frozen=True, slots=True)
class Standing:
    """A Workspace as far as updates look at it."""

    namespace: str
    name: str
    tuning: bool
    inference: bool
    method: str
    input_name: str
    fixed: Part


def standing_of(workspace: "ResolvedSpec | Mapping[Any, object]") -> Standing:
    if not isinstance(workspace, Mapping):
        return Standing(
            workspace.namespace,
            workspace.name,
            tuning=True,
            inference=False,
            method=workspace.method,
            input_name=workspace.input.name or "",
            fixed=workspace.fixed.model_dump(by_alias=False),
        )
    metadata, tuning = _map(workspace, "metadata"), _map(workspace, "tuning")
    return Standing(
        _text(metadata, "namespace") or "default",
        _text(metadata, "name"),
        tuning=workspace.get("tuning") is not None,
        inference=workspace.get("inference") is not None,
        method=_text(tuning, "method").lower(),
        input_name=_text(_map(tuning, "input"), "name"),
        fixed=fixed_of(workspace),
    )


def fixed_of(workspace: Mapping[Any, object]) -> Part:
    resource = _map(workspace, "resource")
    count = resource.get("count")
    instance_type = _text(resource, "instanceType")
    return {
        "preset": _preset(_map(_map(workspace, "tuning"), "preset")),
        "instance_type": instance_type or DEFAULT_INSTANCE_TYPE.get(_text(workspace, "apiVersion"), ""),
        "count": count if isinstance(count, int) else 1,
        "labels": _labels(_map(resource, "labelSelector")),
        "partition": _plain(_map(resource, "partition")) or None,
    }


def check_update(root: Reader, old: Standing, around: Surroundings) -> None:
    """`root` is the new Workspace."""
    new = standing_of(root.value)
    if (new.namespace, new.name) != (old.namespace, old.name):
        text = f"the existing Workspace is {old.namespace}/{old.name}, and a name cannot be changed"
        root.refuse("metadata.name", text)
    for field in ("inference", "tuning"):
        if getattr(new, field) != getattr(old, field):
            root.refuse(field, f"{field.capitalize()} field cannot be toggled once set")
    if new.tuning and old.tuning:
        _check_tuning(root, new, old)
    _check_resource(root, new.fixed, old.fixed, around)


def _check_tuning(root: Reader, new: Standing, old: Standing) -> None:
    way_out = "give the Workspace a new name"
    if new.fixed["preset"] != old.fixed["preset"]:
        root.refuse("tuning.preset", f"Preset cannot be changed: {way_out}")
    if new.method != old.method:
        root.refuse("tuning.method", f"Method cannot be changed: {way_out}")
    if new.input_name != old.input_name:
        text = f"invalid value: During tuning Name field cannot be changed once set: {way_out}"
        root.refuse("tuning.input.name", text)


def _check_resource(root: Reader, new: Part, old: Part, around: Surroundings) -> None:
    if new["count"] != old["count"]:
        root.refuse("resource.count", f"field is immutable: it is {old['count']}")
    if new["partition"] != old["partition"]:
        root.refuse("resource.partition", "field is immutable")
    if new["labels"] != old["labels"]:
        text = "field is immutable: Only allow matchLabels or 'IN' matchExpression with one value that say the same"
        root.refuse("resource.labelSelector", text)
    _check_instance_type(root, new["instance_type"], old["instance_type"], around)


def _check_instance_type(root: Reader, new: str, old: str, around: Surroundings) -> None:
    path = "resource.instanceType"
    if around.node_auto_provisioning:
        if not new:
            text = "missing field(s): instanceType is required when node auto-provisioning is enabled"
            root.refuse(path, text)
        elif old and new != old:
            text = f"instanceType cannot be changed once set when node auto-provisioning is enabled: it is {old}"
            root.refuse(path, text)
    elif new and not old:
        text = "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)"
        root.refuse(path, text)
    elif new and new != old:
        root.refuse(path, f"invalid value: instanceType cannot be changed once set: it is {old}")


def _preset(preset: _Map) -> dict[str, object]:
    """With defaults filled in and nothing empty; an alias or another letter case is the same preset."""
    name = _text(preset, "name")
    found = find_preset(name)
    options = {key: value for key, value in _plain(_map(preset, "presetOptions")).items() if value}
    return {
        "name": found.name if isinstance(found, Preset) else name,
        "accessMode": _text(preset, "accessMode") or "public",
        "presetOptions": options,
    }


def _labels(selector: _Map) -> dict[str, str]:
    """A selector as plain labels; what says more than a label can stands beside them under a key that no label has."""
    labels = {str(key): str(value) for key, value in _map(selector, "matchLabels").items()}
    expressions = selector.get("matchExpressions")
    for expression in expressions if isinstance(expressions, list | tuple) else ():
        found = expression if isinstance(expression, Mapping) else {}
        key, operator, values = str(found.get("key")), found.get("operator"), found.get("values")
        items = sorted(str(value) for value in values) if isinstance(values, list | tuple) else []
        if operator == "In" and len(items) == 1:
            labels[key] = items[0]
        else:
            labels[f"{key} {operator} {','.join(items)}"] = ""
    return labels


def _plain(value: _Map) -> dict[str, object]:
    return {str(key): item for key, item in value.items()}


def _map(value: _Map, key: str) -> _Map:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: _Map, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
