"""Which documents of a file are Workspaces, which ConfigMaps, and which somebody else's."""

from typing import Any

import pytest

from schemas.bundles import Bundle, identity_of
from schemas.documents import load_documents


def bundle_of(text: str) -> Bundle:
    bundle = Bundle()
    bundle.add(load_documents(text, name="file"))
    return bundle


WORKSPACE = "{apiVersion: kaito.sh/v1beta1, kind: Workspace, metadata: {name: w, namespace: team}}"


def config_map(name: str, namespace: str | None = None) -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}{where}}}, data: {{k: {namespace}}}}}"


@pytest.mark.parametrize(
    "text",
    [
        WORKSPACE,
        "{kind: Workspace}",
        "{apiVersion: kaito.sh/v1beta1, kind: RAGEngine}",
        "{apiVersion: v1, kind: Workspce}",
        "{apiVersion: x}",
        "{kind: 4}",
        "just text",
        "[1]",
    ],
)
def test_what_may_be_meant_as_a_workspace_is_judged(text: str) -> None:
    assert len(bundle_of(text).workspaces) == 1


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Secret", "Namespace", "StorageClass"])
def test_other_objects_are_passed_over(kind: str) -> None:
    assert bundle_of(f"{{apiVersion: v1, kind: {kind}}}").workspaces == []


def test_config_maps_are_for_their_namespace() -> None:
    texts = [WORKSPACE, config_map("a"), config_map("b", "team"), config_map("c", "other"), config_map("a", "team")]
    bundle = bundle_of("\n---\n".join(texts))
    found = bundle.config_maps_for(bundle.workspaces[0])
    assert found == {"a": {"k": "team"}, "b": {"k": "team"}}


def test_a_list_is_its_items() -> None:
    bundle = bundle_of(f"{{apiVersion: v1, kind: List, items: [{WORKSPACE}, {config_map('a')}, {WORKSPACE}]}}")
    assert len(bundle.workspaces) == 2
    assert set(bundle.config_maps) == {(None, "a")}


def test_a_request_is_unpacked() -> None:
    bundle = bundle_of(f"{{workspace: {WORKSPACE}, configMaps: {{a: {{k: v}}}}, rerun: x}}")
    assert [identity_of(workspace) for workspace in bundle.workspaces] == [("team", "w")]
    assert bundle.config_maps_for(bundle.workspaces[0]) == {"a": {"k": "v"}}


@pytest.mark.parametrize(
    "value",
    [None, 4, [], {}, {"metadata": 1}, {"metadata": {"name": 5, "namespace": []}}, {"metadata": {"namespace": ""}}],
)
def test_what_has_no_name_has_an_empty_one(value: Any) -> None:
    assert identity_of(value) == ("default", "")
