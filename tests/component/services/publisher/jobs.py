"""Jobs whose adapter waits in the store, as a trainer leaves them."""

import base64
import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from schemas import store_keys
from schemas.envelope import Envelope
from schemas.events.training import AdapterFile, AdapterTrained
from schemas.identity import job_id as id_of
from schemas.records import AdapterManifest, SpecRecord, as_json
from schemas.topics import full_type
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec, VolumeSource
from services.common.object_store import ObjectStore
from services.common.telemetry import new_traceparent

USER, PASSWORD = "tuner", "a-password-nobody-may-see"
KEY = ec.derive_private_key(20261122, ec.SECP256R1())


def to_image(reference: str, secret: str = "push-secret") -> OutputSpec:
    """An output in a registry."""
    return OutputSpec(kind="image", image=reference, push_secret=secret)


def to_claim(claim: str) -> OutputSpec:
    """An output in a volume."""
    return OutputSpec(kind="volume", volume=VolumeSource(claim_name=claim))


def adapter_files(size: int = 200_000, seed: int = 7) -> dict[str, bytes]:
    """An adapter's two files; the weights are noise, as weights are for a packer."""
    weights = random.Random(seed).randbytes(size)
    config = json.dumps({"peft_type": "LORA", "r": 8, "base_model_name_or_path": "tiny"}).encode()
    return {"adapter_config.json": config, "adapter_model.safetensors": weights}


async def trained_job(
    store: ObjectStore,
    output: OutputSpec,
    *,
    name: str = "docs",
    files: dict[str, bytes] | None = None,
    attempt: int = 1,
    rerun: str | None = None,
) -> SpecRecord:
    """Put a job with its trained adapter into the store."""
    spec = ResolvedSpec(
        namespace="default",
        name=name,
        preset="tiny",
        model=ModelRef(repository="lorabus/tiny", revision="main"),
        method="lora",
        input=InputSpec(kind="urls", urls=("https://example.com/data.jsonl",)),
        output=output,
        output_dir="/mnt/results",
    )
    record = SpecRecord(
        job_id=id_of(spec, nonce=rerun),
        spec_digest=spec.spec_digest,
        spec=spec,
        accepted_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        traceparent=new_traceparent(),
        rerun=rerun,
    )
    await store.create(store_keys.spec(record.job_id), as_json(record))
    files = files if files is not None else adapter_files()
    for file, data in files.items():
        await store.put(f"{store_keys.adapter(record.job_id)}{file}", data)
    manifest = AdapterManifest(
        job_id=record.job_id,
        attempt=attempt,
        files=[
            AdapterFile(name=file, digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data))
            for file, data in files.items()
        ],
        metrics={"loss_first": 4.0, "loss_last": 1.0},
        trained_tokens=1000,
        base_model="lorabus/tiny",
        base_revision="main",
        dataset_digest=f"sha256:{'d' * 64}",
        library_versions={"peft": "0.21.0"},
        created_at=datetime(2026, 1, 2, 3, 5, 6, tzinfo=UTC),
    )
    await store.put(store_keys.adapter_manifest(record.job_id), as_json(manifest))
    return record


def adapter_trained(record: SpecRecord, attempt: int = 1) -> Envelope:
    """What the trainer tells the publisher."""
    data = AdapterTrained(
        job_id=record.job_id, attempt=attempt, sequence=9, digest=f"sha256:{'a' * 64}", files=[], trained_tokens=1000
    )
    return Envelope(
        type=full_type("adapter.trained"),
        source="trainer",
        subject=record.job_id,
        id=f"{record.job_id}:{attempt}:trainer:9",
        traceparent=record.traceparent,
        data=data.to_wire(),
    )


def write_secret(folder: Path, host: str, name: str = "push-secret", password: str = PASSWORD) -> None:
    """A registry secret as Kubernetes mounts it."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / ".dockerconfigjson").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def write_key(folder: Path) -> Path:
    """The key that images are signed with."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cosign.key"
    file.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


async def forget_the_end(store: ObjectStore, job_id: str) -> None:
    """As if the publisher had died right before the job's end, and before it announced the image."""
    await store.delete(store_keys.result(job_id), store_keys.outbox(job_id, 1, "publisher"))
