"""The documents that the publisher writes for an image's second layer: model card, loss plot, the chat template used.

They are put into the store first, where the layer's other files are read from.
"""

from collections.abc import Mapping

from schemas import store_keys
from schemas.records import AdapterManifest, SpecRecord
from services.common.layers.plan import Entry, StoredFile
from services.common.object_store import ObjectStore
from services.common.registry.descriptors import sha256_of
from services.publisher.card import model_card
from services.publisher.loss_plot import HISTORY, MAX_BYTES, Point, loss_plot, read_history
from services.publisher.plan import INFO

PLOT = "loss.svg"
_LEVELS = {"base model": "base_loss", "evaluation": "eval_loss"}


async def put_documents(store: ObjectStore, record: SpecRecord, manifest: AdapterManifest) -> tuple[StoredFile, ...]:
    """Write them; the same training gives the same bytes."""
    texts = documents(record, manifest, await _points(store, manifest))
    return tuple([await _put(store, name, text) for name, text in texts.items()])


def documents(record: SpecRecord, manifest: AdapterManifest, points: tuple[Point, ...]) -> Mapping[str, bytes]:
    """The documents by name. Pure."""
    found = {"README.md": model_card(record.spec, manifest, PLOT if points else None)}
    if points:
        levels = [(name, manifest.metrics[key]) for name, key in _LEVELS.items() if key in manifest.metrics]
        found[PLOT] = loss_plot(points, levels)
    # The request's own template replaces the base model's, which lies beside the adapter.
    if record.spec.config.model.chat_template:
        found["chat_template.jinja"] = record.spec.config.model.chat_template.encode()
    return found


async def _points(store: ObjectStore, manifest: AdapterManifest) -> tuple[Point, ...]:
    listed = any(file.name == HISTORY and file.size <= MAX_BYTES for file in manifest.files)
    raw = await store.get(f"{store_keys.adapter(manifest.trained_by.job_id)}{HISTORY}") if listed else None
    return read_history(raw) if raw else ()


async def _put(store: ObjectStore, name: str, text: bytes) -> StoredFile:
    digest = sha256_of(text)
    key = f"images/documents/{digest.removeprefix('sha256:')}"
    if not await store.exists(key):
        await store.put(key, text)
    return StoredFile(Entry(f"{INFO}{name}", len(text)), key, digest)
