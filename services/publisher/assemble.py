"""From a job's records to what is pushed: layers from the store, packed before or not, and their documents."""

from collections.abc import Mapping
from functools import partial

from schemas.records import AdapterManifest, SpecRecord, as_json
from services.common.layers.plan import Compression, StoredFile
from services.common.layers.records import LayerRecord, layer_key
from services.common.object_store import ObjectStore
from services.publisher.destinations import Parcel
from services.publisher.documents import put_documents
from services.publisher.manifest import Image, build_image
from services.publisher.model_pack import model_pack
from services.publisher.packing import Packing
from services.publisher.plan import annotations, info_files, layer_files
from services.publisher.referrers import referrers
from services.publisher.sources import LayerSource


async def make_parcel(store: ObjectStore, record: SpecRecord, manifest: AdapterManifest, packing: Packing) -> Parcel:
    """Gather what the image is made of; no large file is read yet."""
    compression = packing.compression
    files = layer_files(manifest)
    info = info_files(manifest, await put_documents(store, record, manifest))
    layers = (await _layer("adapter", store, files, compression), await _layer("info", store, info, compression))
    notes = annotations(record.spec, manifest)
    told = partial(referrers, record, manifest, packing.signer)
    model = partial(model_pack, record, manifest, notes) if packing.model_pack else None
    return Parcel(layers, (*files, *info), partial(_assemble, layers, notes), told, model)


async def remember(store: ObjectStore, parcel: Parcel, reference: str) -> None:
    """Keep what the layers turned out to be, and where they lie now."""
    place = reference.rpartition(":")[0]
    for layer in parcel.layers:
        if layer.record is not None and place not in layer.record.repositories:
            repositories = [place, *layer.record.repositories][:20]
            await store.put(layer.key, as_json(layer.record.model_copy(update={"repositories": repositories})))


async def _layer(name: str, store: ObjectStore, files: tuple[StoredFile, ...], compression: Compression) -> LayerSource:
    key = layer_key(compression, [(file.entry.path, file.digest) for file in files])
    known = await store.get(key)
    record = LayerRecord.model_validate_json(known) if known else None
    return LayerSource(name, key, store, files, compression, record)


def _assemble(layers: tuple[LayerSource, ...], notes: Mapping[str, str]) -> Image:
    records = [layer.record for layer in layers]
    if None in records:
        raise RuntimeError("an image is written once each of its layers was read")
    return build_image([record for record in records if record is not None], notes)
