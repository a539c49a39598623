"""Proves the same path on real servers: MinIO, an OCI registry, Zipkin, all started by `lorabus up --profile stack`.

One job is submitted with an image as its output. Tools that others wrote read the image; the bucket holds what was
staged; Zipkin holds one trace of all processes, from the command that asked to the push.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from deploy.native.go_tools import tool
from tests.e2e import requests
from tests.e2e.system import Job, System, a_system, digest, digests, until

SERVICES = {"lorabus-cli", "lorabus-ingest", "lorabus-trainer", "lorabus-publisher"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with a_system(tmp_path_factory.mktemp("stack"), "stack") as system:
        yield system


@pytest.fixture(scope="module")
def reference(stack: System) -> str:
    return f"{stack.status()['registry']['address']}/team/adapters:v1"


@pytest.fixture(scope="module")
def job(stack: System, reference: str, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    return stack.succeed(requests.write(folder, *requests.documents("stack", output=requests.image(reference))))


def out(*command: str) -> str:
    """What a tool prints; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def go(name: str) -> str:
    return str(tool(name, lambda line: print(line, file=sys.stderr)))


def crane_digest(reference: str) -> str:
    return out(go("crane"), "digest", reference).strip()


def oras_digest(reference: str) -> str:
    return str(json.loads(out(go("oras"), "manifest", "fetch", "--plain-http", "--descriptor", reference))["digest"])


def skopeo_digest(reference: str) -> str:
    return str(json.loads(out("skopeo", "inspect", "--tls-verify=false", f"docker://{reference}"))["Digest"])


READERS = {"crane": crane_digest, "oras": oras_digest}
# skopeo comes with a system's packages only.
READERS |= {"skopeo": skopeo_digest} if shutil.which("skopeo") else {}


def test_everything_is_up_and_healthy(stack: System) -> None:
    parts = stack.status()
    assert set(parts) == {"kafka", "minio", "registry", "zipkin", "ingest", "trainer", "publisher"}
    assert all(part["healthy"] for part in parts.values()), parts


@pytest.mark.parametrize("tool_name", READERS)
def test_tools_of_others_see_the_digest_that_was_announced(job: Job, reference: str, tool_name: str) -> None:
    assert READERS[tool_name](reference) == job.image["digest"]


def test_crane_reads_the_image_and_its_files(job: Job, reference: str, tmp_path: Path) -> None:
    manifest = json.loads(out(go("crane"), "manifest", reference))
    assert manifest["annotations"]["sh.kaito.model.name"] == "tiny"
    config = json.loads(out(go("crane"), "config", reference))
    assert {"architecture", "os", "rootfs"} <= set(config)
    out(go("crane"), "export", reference, str(tmp_path / "image.tar"))
    with tarfile.open(tmp_path / "image.tar") as tar:
        tar.extractall(tmp_path, filter="data")
    assert digests(tmp_path / "data") == job.trained


def test_oras_copies_the_very_blobs_of_the_manifest(job: Job, reference: str, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    out(go("oras"), "copy", "--from-plain-http", "--to-oci-layout", reference, f"{folder}:v1")
    fetched = json.loads(out(go("oras"), "manifest", "fetch", "--oci-layout", f"{folder}@{job.image['digest']}"))
    for blob in (fetched["config"], *fetched["layers"]):
        assert digest(folder / "blobs" / "sha256" / blob["digest"].removeprefix("sha256:")) == blob["digest"]


def test_pull_gives_the_trained_files_from_the_registry(
    stack: System, job: Job, reference: str, tmp_path: Path
) -> None:
    (pulled,) = stack.good("pull", reference, "-o", str(tmp_path / "adapter"), "--json").lines
    assert pulled["digest"] == job.image["digest"]
    assert digests(tmp_path / "adapter") == job.trained


def test_publish_brings_a_deleted_image_back_without_training(stack: System, job: Job, reference: str) -> None:
    out(go("crane"), "delete", f"{reference.rpartition(':')[0]}@{job.image['digest']}")
    lines = stack.good("publish", job.id, "--wait", "--json").lines
    assert lines[-1]["type"] == "job.succeeded"
    assert lines[-1]["image"] == job.image
    assert lines[-1]["jobId"] != job.id
    assert [line for line in lines if line["type"].startswith(("training.", "dataset."))] == []
    assert crane_digest(reference) == job.image["digest"]


def test_the_bucket_holds_the_staged_dataset_and_the_adapter(stack: System, job: Job) -> None:
    minio = stack.home / "minio"
    keys = {name: (minio / name).read_text().strip() for name in ("access-key", "secret-key")}
    client = Minio(
        stack.status()["minio"]["address"],
        access_key=keys["access-key"],
        secret_key=keys["secret-key"],
        secure=False,
    )
    names = {item.object_name or "" for item in client.list_objects("lorabus", recursive=True)}
    (upload,) = (name for name in names if name.startswith("datasets/uploads/"))
    (file,) = job.event("dataset.staged")["files"]
    stored = client.get_object("lorabus", upload).read()
    assert f"sha256:{hashlib.sha256(stored).hexdigest()}" == file["digest"]
    assert {f"jobs/{job.id}/{name}" for name in ("spec.json", "result.json", "adapter/manifest.json")} <= names
    assert not (stack.home / "store").exists()


def test_zipkin_has_one_trace_of_all_processes(stack: System, job: Job) -> None:
    """Every span of the job, in one tree whose root is the command that asked for it."""
    spans = until(lambda: _whole_trace(stack, job), f"spans of {SERVICES}")
    roots = [span for span in spans if "parentId" not in span]
    assert [(span["localEndpoint"]["serviceName"], span["name"]) for span in roots] == [
        ("lorabus-cli", "lorabus.submit")
    ]
    ids = {span["id"] for span in spans}
    assert {span["parentId"] for span in spans if "parentId" in span} <= ids
    names = {span["name"] for span in spans}
    assert {"job.accept", "job.attempt", "dataset.stage", "dataset.check", "training", "image.push"} <= names


def _whole_trace(stack: System, job: Job) -> list[dict[str, Any]] | None:
    """Spans are sent about once a second, by each process for itself: ask until the tree is complete."""
    address, trace = stack.status()["zipkin"]["address"], job.events[0]["traceId"]
    with urllib.request.urlopen(f"http://{address}/api/v2/trace/{trace}", timeout=30) as response:
        spans: list[dict[str, Any]] = json.load(response)
    services = {span["localEndpoint"]["serviceName"] for span in spans}
    resolved = {span.get("parentId") for span in spans} <= {None, *(span["id"] for span in spans)}
    time.sleep(0.2)
    return spans if services >= SERVICES and resolved else None
