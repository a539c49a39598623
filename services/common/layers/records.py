"""What a layer's bytes turned out to be, kept in the store: who packs the same files again need not find out again."""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from pydantic import Field

from schemas.events.base import Wire
from services.common.layers.plan import FORMAT, MEDIA_TYPES, Compression, StoredGzip


class LayerRecord(Wire):
    """A layer's digest and length as it travels, the digest of its tar, and where it was pushed to, to be mounted."""

    digest: str
    size: int
    diff_id: str
    media_type: str
    repositories: list[str] = Field(default_factory=list, description="`host/path` of repositories that have it.")


def layer_key(compression: Compression, files: Iterable[tuple[str, str]]) -> str:
    """Where the record of a layer lies; `files` are paths and digests, all that its bytes depend on."""
    text = "\n".join([f"{FORMAT} {_framing(compression)}", *sorted(f"{path} {digest}" for path, digest in files)])
    return f"images/layers/{hashlib.sha256(text.encode()).hexdigest()}.json"


def _framing(compression: Compression) -> str:
    """What beside the files decides the bytes: only zstd's are a library's, and another release may write others."""
    if compression != "zstd":
        return compression
    import zstandard  # noqa: PLC0415 - only who asks for it needs the library.

    return f"zstd {zstandard.ZSTD_VERSION}"


class PackedLayer:
    """A tar on its way out: framed, hashed and counted."""

    def __init__(self, compression: Compression, *, hashing: bool = True) -> None:
        """Without `hashing` the layer's own digest is known."""
        self._framer = _framer(compression)
        self._media_type = MEDIA_TYPES[compression]
        self._hashing = hashing
        self._hash, self._size = hashlib.sha256(), 0

    def add(self, chunk: bytes | memoryview) -> list[bytes | memoryview]:
        """Frame a piece of the tar; gives what is ready, some of it views of `chunk`."""
        return self._out(self._framer.add(chunk))

    def end(self) -> bytes:
        """The last bytes."""
        return b"".join(self._out([self._framer.end()]))

    def record(self, tar: "hashlib._Hash") -> LayerRecord:
        """What was found out, after the end; `tar` has taken in the whole tar."""
        digest, diff_id = (f"sha256:{running.hexdigest()}" for running in (self._hash, tar))
        return LayerRecord(digest=digest, size=self._size, diff_id=diff_id, media_type=self._media_type)

    def _out(self, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
        for piece in pieces:
            self._size += len(piece)
            if self._hashing:
                self._hash.update(piece)
        return pieces


class _Framer(Protocol):
    def add(self, data: bytes | memoryview) -> list[bytes | memoryview]: ...

    def end(self) -> bytes: ...


class _Plain:
    def add(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        return [data]

    def end(self) -> bytes:
        return b""


class _Zstd:
    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - only who asks for it needs the library.

        # Level 1 packs weights as small as 9 does (`bench/publishing.py`).
        self._packer = zstandard.ZstdCompressor(level=1).compressobj()

    def add(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        return [self._packer.compress(data)]

    def end(self) -> bytes:
        return self._packer.flush()


def _framer(compression: Compression) -> _Framer:
    match compression:
        case "none":
            return _Plain()
        case "gzip":
            return StoredGzip()
        case "zstd":
            return _Zstd()
