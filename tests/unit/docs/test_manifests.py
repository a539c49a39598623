"""The Kubernetes documents on the pages fit together: what is mounted is declared, what is asked answers there."""

from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import Block, blocks, pages

DEPLOYMENTS = [
    (block, document)
    for page in pages()
    for block in blocks(page)
    if block.language == "yaml"
    for document in yaml.safe_load_all(block.text)
    if isinstance(document, dict) and document.get("kind") == "Deployment"
]
ADDRESSES = {"ingest": "LORABUS_HTTP_ADDR", "trainer": "LORABUS_HEALTH_ADDR", "publisher": "LORABUS_HEALTH_ADDR"}
Document = dict[str, Any]
each = pytest.mark.parametrize(("block", "deployment"), DEPLOYMENTS, ids=[str(block) for block, _ in DEPLOYMENTS])


def pod(deployment: Document) -> Document:
    spec: Document = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: Document) -> Document:
    (only,) = pod(deployment)["containers"]
    return dict(only)


def shared(block: Block) -> dict[str, str]:
    """The data of the ConfigMaps on the page, by variable."""
    found: dict[str, str] = {}
    for other in blocks(block.page):
        for document in yaml.safe_load_all(other.text) if other.language == "yaml" else ():
            if isinstance(document, dict) and document.get("kind") == "ConfigMap":
                found |= document.get("data", {})
    return found


def test_there_are_some() -> None:
    assert {deployment["metadata"]["name"] for _, deployment in DEPLOYMENTS} >= {"ingest", "trainer"}


@each
def test_what_is_mounted_is_declared_and_used(block: Block, deployment: Document) -> None:
    mounted = [mount["name"] for mount in container(deployment)["volumeMounts"]]
    assert sorted(mounted) == sorted(volume["name"] for volume in pod(deployment)["volumes"])


@each
def test_files_that_variables_name_lie_in_what_is_mounted(block: Block, deployment: Document) -> None:
    own = {one["name"]: one["value"] for one in container(deployment)["env"] if "value" in one}
    settings = shared(block) | own
    folders = tuple(mount["mountPath"] for mount in container(deployment)["volumeMounts"])
    files = [value for name, value in settings.items() if name.endswith("_FILE")]
    assert files
    assert [file for file in files if not file.startswith(folders)] == []


@each
def test_probes_ask_where_the_service_listens(block: Block, deployment: Document) -> None:
    service, one = deployment["metadata"]["name"], container(deployment)
    assert one["args"] == ["lorabus", "serve", service]
    own = {entry["name"]: entry["value"] for entry in one["env"] if "value" in entry}
    address = (shared(block) | own)[ADDRESSES[service]]
    (port,) = one["ports"]
    assert address == f"0.0.0.0:{port['containerPort']}"
    asked = [one[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe") if "httpGet" in one[probe]]
    assert {probe["port"] for probe in asked} == {port["name"]}
    assert {probe["path"] for probe in asked} <= {"/healthz", "/readyz"}


@each
def test_it_runs_with_as_little_as_it_needs(block: Block, deployment: Document) -> None:
    assert pod(deployment)["automountServiceAccountToken"] is False
    assert pod(deployment)["securityContext"]["runAsNonRoot"] is True
    own = container(deployment)["securityContext"]
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}
