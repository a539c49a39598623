"""The image's config and manifest as bytes: the same adapter gives the same bytes, always. Pure.

Nothing of one job in particular (its id, its times) stands in them; that travels beside the image, as a referrer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.config import TrainingConfig
from services.common.layers.adapter import FOLDER
from services.common.layers.records import LayerRecord
from services.common.registry.descriptors import CONFIG, LAYER_GZIP, MANIFEST, Descriptor, sha256_of, to_json

MODEL_NAME = "sh.kaito.model.name"
"""KAITO's annotation: the preset that the adapter belongs to."""
# Adapters run wherever their base model does; the spec wants a platform, and every tool takes this one.
ARCHITECTURE, OS = "amd64", "linux"
FOLDERS = (FOLDER, "info")
"""The layers' folders: what KAITO reads, and what else belongs to it."""
TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class Image:
    """An image's documents: the tag is put on `manifest`, of which `digest` is the digest."""

    config: bytes
    manifest: bytes
    layers: tuple[LayerRecord, ...]

    @property
    def digest(self) -> str:
        """The image's digest."""
        return sha256_of(self.manifest)

    @property
    def size(self) -> int:
        """All blobs and the manifest together, in bytes."""
        return len(self.config) + len(self.manifest) + sum(layer.size for layer in self.layers)

    @property
    def descriptor(self) -> Descriptor:
        """Points at the manifest."""
        return Descriptor(media_type=MANIFEST, digest=self.digest, size=len(self.manifest))

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What the manifest names: the config and the layers."""
        return (_descriptor(CONFIG, self.config), *_layers(self.layers))


def build_image(layers: Sequence[LayerRecord], annotations: Mapping[str, str]) -> Image:
    """Write config and manifest for layers in order."""
    config = to_json(
        {
            "architecture": ARCHITECTURE,
            "os": OS,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
    )
    manifest = to_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config).to_json(),
            "layers": [layer.to_json() for layer in _layers(layers)],
            "annotations": dict(annotations),
        }
    )
    return Image(config, manifest, tuple(layers))


def config_digest(config: TrainingConfig) -> str:
    """The digest of the settings that the training ran with, defaults included."""
    return sha256_of(to_json(config.model_dump(mode="json", by_alias=True, exclude={"given"})))


def _layers(layers: Sequence[LayerRecord]) -> tuple[Descriptor, ...]:
    return tuple(
        Descriptor(
            media_type=layer.media_type, digest=layer.digest, size=layer.size, annotations=_for_oras(layer, folder)
        )
        for layer, folder in zip(layers, FOLDERS, strict=True)
    )


def _for_oras(layer: LayerRecord, folder: str) -> dict[str, str]:
    """`oras pull` writes only layers with a name, and unpacks folders as its own `oras push` packs them: with gzip."""
    if layer.media_type != LAYER_GZIP:
        return {TITLE: f"{folder}.{layer.media_type.rpartition('.')[2].replace('+', '.')}"}
    return {TITLE: folder, "io.deis.oras.content.unpack": "true"}


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=sha256_of(data), size=len(data))
