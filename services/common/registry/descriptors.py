"""Descriptors, manifests and indexes of the OCI image spec 1.1, read from strangers: bounded and strict. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = (MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (INDEX, DOCKER_LIST)
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""What the distribution spec asks every registry to take, and the most that we read."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def to_json(document: Mapping[str, object]) -> bytes:
    """One spelling for each document: sorted keys, no blanks, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_digest(text: str) -> bool:
    """True for `sha256:<64 hex>` and `sha512:<128 hex>`: the text is safe in a path or an address."""
    return _DIGEST.fullmatch(text) is not None


def sha256_of(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def hasher(digest: str) -> "hashlib._Hash":
    """A running hash of the digest's algorithm."""
    return hashlib.new(digest.partition(":")[0])


def matches(data: bytes, digest: str) -> bool:
    """True when `digest` is the digest of `data`."""
    running = hasher(digest)
    running.update(data)
    return digest == f"{running.name}:{running.hexdigest()}"


def _checked_digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError("not a sha256 or sha512 digest")
    return text


Digest = Annotated[str, AfterValidator(_checked_digest)]
Annotations = dict[str, str]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    def to_json(self) -> dict[str, object]:
        """Plain JSON data without what is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Document = TypeVar("Document", bound=_Document)


class Platform(_Document):
    """What a manifest of an index is for."""

    architecture: str
    os: str
    variant: str | None = None


class Descriptor(_Document):
    """Points at a blob or a manifest."""

    media_type: str = Field(max_length=255)
    digest: Digest
    size: int = Field(ge=0, lt=2**63)
    annotations: Annotations | None = None
    platform: Platform | None = None
    artifact_type: str | None = Field(default=None, max_length=255)


class Manifest(_Document):
    """An image, or an artifact when `artifact_type` is set."""

    schema_version: int = 2
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...] = Field(max_length=1000)
    subject: Descriptor | None = None
    annotations: Annotations | None = None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse; raises `ValueError` with the first problem."""
        return _read(cls, raw)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers."""
        return (self.config, *self.layers)


class Index(_Document):
    """Several manifests under one name."""

    schema_version: int = 2
    media_type: str | None = None
    manifests: tuple[Descriptor, ...] = Field(max_length=10_000)
    annotations: Annotations | None = None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse; raises `ValueError` with the first problem."""
        return _read(cls, raw)

    def choose(self) -> Descriptor | None:
        """The image that suits us: adapters and datasets are the same everywhere, so linux/amd64 or else the first."""
        images = [entry for entry in self.manifests if entry.media_type in MANIFEST_TYPES]
        wanted = [entry for entry in images if entry.platform and entry.platform.architecture == "amd64"]
        return next(iter([*wanted, *images]), None)


def _read(model: type[Document], raw: bytes) -> Document:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ValueError(f"longer than {MAX_MANIFEST_BYTES:,} bytes")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
