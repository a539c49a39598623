"""What surrounds `tuning`: version, name, annotations, resources."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.admission.reading import LABEL, Reader
from schemas.admission.surroundings import Surroundings
from schemas.problems import Findings, did_you_mean, kind, shown

V1ALPHA1, V1BETA1 = "kaito.sh/v1alpha1", "kaito.sh/v1beta1"
DEFAULT_INSTANCE_TYPE = {V1ALPHA1: "Standard_NC24ads_A100_v4"}

_FIELDS = {"apiVersion", "kind", "metadata", "resource", "inference", "tuning", "status"}
_METADATA = {
    *("name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences", "managedFields"),
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    "selfLink",
}
_RESOURCE = {"count", "instanceType", "labelSelector", "preferredNodes", "partition"}
_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}
_PERFORMANCE_MODES = ("balanced", "interactivity", "throughput")
_LABEL_RULE = (
    "a lowercase RFC 1123 label has at most 63 of a-z, 0-9 and '-', and starts and ends with a letter or digit"
)


@dataclass(frozen=True, slots=True)
class Head:
    """Who is asking. `name` and `namespace` are as given, right or wrong."""

    name: str
    namespace: str
    root: Reader


def read_head(workspace: object, findings: Findings) -> Head:
    if not isinstance(workspace, Mapping):
        findings.refuse("", f"expected a Workspace, which is a map, not {kind(workspace)}")
        return Head("", "default", Reader({}, "", findings))
    if "spec" in workspace:
        findings.refuse("spec", "a Workspace has no spec: move resource and tuning to the top level")
        workspace = {key: value for key, value in workspace.items() if key != "spec"}
    root = Reader.of(workspace, "", findings, _FIELDS)
    _check_version(root)
    metadata = root.child("metadata", _METADATA) or Reader({}, "metadata", findings)
    name, namespace = metadata.text("name"), metadata.text("namespace") or "default"
    if not LABEL.fullmatch(name):
        metadata.refuse("name", f"invalid value: {shown(name)!r}: {_LABEL_RULE}: name")
    if not LABEL.fullmatch(namespace):
        metadata.refuse("namespace", f"invalid value: {shown(namespace)!r}: {_LABEL_RULE}: namespace")
    metadata.strings("labels")
    _check_annotations(metadata)
    return Head(shown(name, 253), shown(namespace, 253), root)


def check_kinds(root: Reader) -> None:
    """Tuning and nothing else."""
    inference, tuning = root.get("inference"), root.get("tuning")
    if inference is None and tuning is None:
        root.refuse("", "Either Inference or Tuning must be specified, not neither: add tuning")
    elif inference is not None and tuning is not None:
        root.refuse("", "Either Inference or Tuning must be specified, but not both: remove inference")
    elif inference is not None:
        root.refuse("inference", "lorabus tunes models and does not serve them: send this Workspace to KAITO")


def check_resource(root: Reader, around: Surroundings, *, update: bool) -> None:
    resource = root.child("resource", _RESOURCE) or Reader({}, "resource", root.findings)
    version = root.value.get("apiVersion")
    instance_type = resource.text("instanceType")
    resource.texts("preferredNodes")
    if not update and version != V1ALPHA1:
        _check_instance_type(resource, instance_type, around)
    _check_count(resource)
    if resource.get("partition") is not None:
        resource.refuse("partition", "invalid value: GPU partitioning is not supported for tuning workloads: remove it")
    _check_selector(resource)


def _check_version(root: Reader) -> None:
    version, name = root.text("apiVersion"), root.text("kind")
    if version not in (V1ALPHA1, V1BETA1):
        hint = did_you_mean(version, (V1ALPHA1, V1BETA1))
        root.refuse("apiVersion", f"invalid value: {shown(version)!r} must be {V1BETA1} or {V1ALPHA1}{hint}")
    if name != "Workspace":
        root.refuse("kind", f"invalid value: {shown(name)!r} must be Workspace")


def _check_annotations(metadata: Reader) -> None:
    annotations = metadata.strings("annotations")
    family = annotations.get("kaito.sh/node-image-family")
    if family is not None and family.strip().lower() not in ("azurelinux", "ubuntu"):
        text = f'unsupported node image family "{shown(family)}", supported values are azurelinux, ubuntu'
        metadata.refuse("annotations[kaito.sh/node-image-family]", f"invalid value: {text}")
    mode = annotations.get("kaito.sh/performance-mode")
    if mode is not None and mode not in _PERFORMANCE_MODES:
        text = f'"{shown(mode)}" is not a valid performance mode; choose one of: {", ".join(_PERFORMANCE_MODES)}'
        metadata.refuse("annotations[kaito.sh/performance-mode]", f"invalid value: {text}")
    local = annotations.get("kaito.sh/use-local-weights")
    if local is not None and local not in ("true", "false"):
        text = f'"{shown(local)}" must be "true" or "false"'
        metadata.refuse("annotations[kaito.sh/use-local-weights]", f"invalid value: {text}")


def _check_instance_type(resource: Reader, instance_type: str, around: Surroundings) -> None:
    if around.node_auto_provisioning and not instance_type:
        resource.refuse(
            "instanceType", "missing field(s): instanceType is required when node auto-provisioning is enabled"
        )
    elif not around.node_auto_provisioning and instance_type:
        resource.refuse(
            "instanceType",
            "invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario)",
        )


def _check_count(resource: Reader) -> None:
    count = resource.get("count")
    if count is None:
        return
    if not isinstance(count, int) or isinstance(count, bool):
        resource.refuse("count", f"expected an integer, not {kind(count)}")
    elif count > 1:
        resource.refuse(
            "count", "invalid value: Tuning does not currently support multinode configurations: set it to 1"
        )


def _check_selector(resource: Reader) -> None:
    selector = resource.child("labelSelector", {"matchLabels", "matchExpressions"})
    if selector is None:
        resource.refuse("labelSelector", "missing field(s): resource.labelSelector; {} selects every node")
        return
    selector.strings("matchLabels")
    expressions = selector.get("matchExpressions")
    if expressions is not None and not isinstance(expressions, list | tuple):
        selector.refuse("matchExpressions", f"expected a list, not {kind(expressions)}")
        return
    for index, value in enumerate(expressions or ()):
        if selector.findings.full:
            return
        path = selector.at(f"matchExpressions[{index}]")
        expression = Reader.of(value, path, selector.findings, {"key", "operator", "values"})
        expression.text("key")
        expression.texts("values")
        if expression.text("operator") not in _OPERATORS:
            expression.refuse("operator", f"must be one of {', '.join(sorted(_OPERATORS))}")
