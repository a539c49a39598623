"""A trained adapter's way out of the trainer: files into the store, the manifest last, then word to the publisher."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from opentelemetry.trace import SpanKind

from schemas import store_keys
from schemas.envelope import encode
from schemas.events.training import AdapterFile, AdapterTrained
from schemas.records import AdapterManifest, SpecRecord, as_json
from schemas.topics import ADAPTERS
from services.common import telemetry
from services.common.journal import Journal, Publish, envelope_of
from services.common.layers.adapter import FILES as LAYER_FILES
from services.common.layers.adapter import FOLDER as LAYER_FOLDER
from services.common.layers.plan import Compression
from services.common.layers.records import layer_key
from services.common.object_store import ObjectStore
from services.trainer.stored_files import store_file, store_layer

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "lorabus")


async def read_manifest(store: ObjectStore, job_id: str) -> AdapterManifest | None:
    """Give the adapter's manifest, or None while there is no complete adapter."""
    raw = await store.get(store_keys.adapter_manifest(job_id))
    return None if raw is None else AdapterManifest.model_validate_json(raw)


async def store_adapter(
    store: ObjectStore,
    record: SpecRecord,
    folder: Path,
    *,
    attempt: int,
    metrics: dict[str, float],
    trained_tokens: int,
    dataset_digest: str,
    at: datetime,
    compression: Compression = "gzip",
) -> AdapterManifest:
    """Copy the adapter's files into the store and write the manifest after them.

    Also the record of the layer that they make, so that the publisher need not hash it again.
    """
    prefix, ours = store_keys.adapter(record.job_id), folder.parent
    names = {path.name for path in folder.iterdir() if not path.is_dir()}
    files = list[AdapterFile]()
    if names.issuperset(LAYER_FILES):
        files, layer = await store_layer(store, prefix, folder, ours=ours, compression=compression)
        inside = [(f"{LAYER_FOLDER}/{file.name}", file.digest) for file in files]
        await store.create(layer_key(compression, inside), as_json(layer))
    rest = names - {file.name for file in files}
    files += [await store_file(store, prefix, folder, Path(name), ours=ours) for name in rest]
    manifest = AdapterManifest(
        job_id=record.job_id,
        attempt=attempt,
        files=sorted(files, key=lambda file: file.name),
        metrics=metrics,
        trained_tokens=trained_tokens,
        base_model=record.spec.model.repository,
        base_revision=record.spec.model.revision,
        dataset_digest=dataset_digest,
        library_versions={name: version(name) for name in LIBRARIES},
        created_at=at,
    )
    await store.put(store_keys.adapter_manifest(record.job_id), as_json(manifest))
    return manifest


async def tell_publisher(manifest: AdapterManifest, journal: Journal, publish: Publish) -> None:
    """Send `adapter.trained` to the publisher's topic, then the same as the job's event."""
    digest = hashlib.sha256(as_json(manifest)).hexdigest()
    event = await journal.prepare(
        AdapterTrained,
        digest=f"sha256:{digest}",
        files=manifest.files,
        metrics=manifest.metrics,
        trained_tokens=manifest.trained_tokens,
    )
    sending = telemetry.messaging("send", ADAPTERS.name, event.id)
    with telemetry.span(f"send {ADAPTERS.name}", event.traceparent, sending, kind=SpanKind.PRODUCER) as here:
        value, headers = encode(replace(envelope_of(event), traceparent=here))
        # Side by side, the publisher's word first: were it lost after the event, nobody would take this job up again;
        # were the event sent only once the first is acknowledged, the publisher's own events could come before it.
        await asyncio.gather(publish(ADAPTERS.name, manifest.job_id.encode(), value, headers), journal.send(event))
