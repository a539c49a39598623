"""Yes or no to a Workspace: KAITO's tuning contract, judged before anything is spent.

`lorabus validate`, `lorabus check` and ingest ask `admit`; the trainer reads its answer by `schemas.workspace`, whose
fields keep the same bounds. It does no I/O: what a cluster would know is handed in.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from schemas.admission.reading import Part
from schemas.admission.surroundings import ConfigMapLookup, Surroundings
from schemas.admission.tuning import read_tuning
from schemas.admission.update import check_update, standing_of
from schemas.admission.workspace import check_kinds, check_resource, read_head
from schemas.problems import Findings, Problem

if TYPE_CHECKING:
    from schemas.workspace import ResolvedSpec

__all__ = ["ConfigMapLookup", "Verdict", "admit"]


@dataclass(frozen=True)
class Verdict:
    """`name` and `namespace` are as given, even when they are wrong."""

    name: str
    namespace: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    resolved: Part | None

    @property
    def valid(self) -> bool:
        return self.resolved is not None

    @cached_property
    def spec(self) -> "ResolvedSpec | None":
        """There when there is no problem. Made when first asked for: the offline check only wants to know."""
        if self.resolved is None:
            return None
        from schemas.workspace import ResolvedSpec  # noqa: PLC0415  # Importing pydantic costs 0.2 s.

        return ResolvedSpec.model_validate({**self.resolved, "config": self.resolved["config"].config})


def admit(
    workspace: object,
    *,
    config_maps: Mapping[str, object] | None = None,
    find_config_map: Callable[[str, str], ConfigMapLookup] | None = None,
    existing: "ResolvedSpec | Mapping[Any, object] | None" = None,
    secret_exists: Callable[[str], bool] | None = None,
    node_auto_provisioning: bool = True,
    source_allow: Collection[str] = (),
) -> Verdict:
    """Judges everything and reports all problems at once.

    `config_maps` came with the request: by name, each a map with `training_config.yaml`. `find_config_map` is asked
    with namespace and name for those that did not. `existing` makes it an update. `secret_exists` None means that
    secrets cannot be known here. `source_allow` holds the entries of LORABUS_SOURCE_ALLOW.
    """
    around = Surroundings(config_maps or {}, find_config_map, secret_exists, node_auto_provisioning, source_allow)
    findings = Findings()
    head = read_head(workspace, findings)
    check_kinds(head.root)
    check_resource(head.root, around, update=existing is not None)
    if existing is not None:
        check_update(head.root, standing_of(existing), around)
    resolved = read_tuning(head, around)
    return Verdict(
        head.name,
        head.namespace,
        tuple(findings.all_problems()),
        tuple(findings.warnings),
        resolved if not findings.problems else None,
    )
