"""Somewhere an image can be put; the registry and the volume each are one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from services.common.layers.plan import StoredFile
from services.publisher.manifest import Image
from services.publisher.referrers import Referrer
from services.publisher.sources import LayerSource

OnBytes = Callable[[str, int], None]
"""`on_bytes(blob, n)`: the first `n` bytes of the blob named `blob` are at their place."""
BeforeTag = Callable[[], Awaitable[None]]
"""Awaited right before the image becomes visible; raises when that must not happen any more."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be published."""

    layers: tuple[LayerSource, ...]
    files: tuple[StoredFile, ...]
    assemble: Callable[[], Image]
    """Writes config and manifest; possible once every layer was read."""
    referrers: Callable[[Image], tuple[Referrer, ...]]
    """Writes what is to be told about the image beside it."""
    model_pack: Callable[[Image], Referrer] | None = None
    """Writes the same weights' manifest for tools that take models, where that is wanted."""


class Destination(Protocol):
    """Puts an image in place; everything can be repeated, and nobody sees half of it."""

    async def put(self, parcel: Parcel, on_bytes: OnBytes, before_tag: BeforeTag) -> tuple[Image, str]:
        """Give the image and the reference under which it can be pulled."""
