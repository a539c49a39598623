"""A CNCF ModelPack manifest over the image's own blobs, for tools that take models and not images. Pure.

Format: modelpack/model-spec v1, its manifest and config; every blob but the small config is the image's.
"""

from collections.abc import Mapping

from schemas.records import AdapterManifest, SpecRecord
from services.common.layers.records import LayerRecord
from services.common.registry.descriptors import MANIFEST, Descriptor, sha256_of, to_json
from services.publisher.manifest import Image
from services.publisher.referrers import Referrer

MODEL, MODEL_CONFIG = "application/vnd.cncf.model.manifest.v1+json", "application/vnd.cncf.model.config.v1+json"
TAG_SUFFIX = "-modelpack"
_IMAGE_LAYER = "application/vnd.oci.image.layer.v1"
# In order: what KAITO reads, then tokenizer, model card and what else belongs to the weights.
_LAYERS = (
    ("application/vnd.cncf.model.weight.v1", "data"),
    ("application/vnd.cncf.model.weight.config.v1", "info"),
)
_FILE_PATH = "org.cncf.model.filepath"


def tag_of(tag: str) -> str:
    """The tag beside an image's own; a tag has at most 128 characters."""
    return f"{tag[: 128 - len(TAG_SUFFIX)]}{TAG_SUFFIX}"


def model_pack(record: SpecRecord, manifest: AdapterManifest, notes: Mapping[str, str], image: Image) -> Referrer:
    """Its config and its manifest; `notes` are the image's annotations."""
    config = to_json(
        {
            "descriptor": {
                "name": f"{record.spec.preset}-{record.spec.method}",
                "title": f"LoRA adapter for {record.spec.preset}",
                "description": f"LoRA adapter for {manifest.base_model} at revision {manifest.base_revision}",
            },
            "config": {"format": "safetensors", "capabilities": {"inputTypes": ["text"], "outputTypes": ["text"]}},
            "modelfs": {"type": "layers", "diffIds": [layer.diff_id for layer in image.layers]},
        }
    )
    layers = [_layer(layer, *kind).to_json() for layer, kind in zip(image.layers, _LAYERS, strict=True)]
    raw = to_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": MODEL,
            "config": Descriptor(media_type=MODEL_CONFIG, digest=sha256_of(config), size=len(config)).to_json(),
            "layers": layers,
            "annotations": dict(notes),
        }
    )
    return Referrer(
        config, raw, Descriptor(media_type=MANIFEST, digest=sha256_of(raw), size=len(raw), artifact_type=MODEL)
    )


def _layer(layer: LayerRecord, media_type: str, path: str) -> Descriptor:
    return Descriptor(
        media_type=layer.media_type.replace(_IMAGE_LAYER, media_type),
        digest=layer.digest,
        size=layer.size,
        annotations={_FILE_PATH: path},
    )
