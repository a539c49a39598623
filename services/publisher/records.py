"""What the publisher remembers in the store beside the job's own records."""

import hashlib
from collections.abc import Iterable

from pydantic import Field

from schemas.events.base import Wire
from services.publisher.layers import FORMAT


class LayerRecord(Wire):
    """A layer that was packed before: what its bytes are, and where it was pushed to, so that it can be mounted."""

    digest: str
    size: int
    diff_id: str
    media_type: str
    repositories: list[str] = Field(default_factory=list, description="`host/path` of repositories that have it.")


def layer_key(compression: str, files: Iterable[tuple[str, str]]) -> str:
    """Where the record of a layer lies; `files` are paths and digests, all that its bytes depend on."""
    text = "\n".join([f"{FORMAT} {compression}", *sorted(f"{path} {digest}" for path, digest in files)])
    return f"images/layers/{hashlib.sha256(text.encode()).hexdigest()}.json"


def document_key(digest: str) -> str:
    """Where a document of an image (its model card) lies."""
    return f"images/documents/{digest.removeprefix('sha256:')}"
