"""Content codings undone piece by piece, so that a few bytes cannot become more than the limits allow at once."""

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard

PIECE_BYTES = 1024 * 1024
# One Zstandard block of 4 bytes can stand for 128 KiB: few bytes at a time keep what comes out small.
_ZSTD_SLICE = 2048
_ZSTD_WINDOW = 128 * 1024 * 1024


class DecodeError(ValueError):
    """The bytes are not what the header said, or end too early."""


class Decoder(Protocol):
    """Undoes one coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces of bounded size."""

    def finish(self) -> None:
        """Raises `DecodeError` when the compressed stream has not ended."""


class Identity:
    """Bytes as they are."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return


class Gzip:
    """Also several members one after the other, as gzip files may have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._inner.eof:
                    self._inner = zlib.decompressobj(wbits=31)
                self._started = True
                piece = self._inner.decompress(data, PIECE_BYTES)
                if piece:
                    yield piece
                data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        except zlib.error as error:
            raise DecodeError(f"broken gzip data: {error}") from error

    def finish(self) -> None:
        if self._started and not self._inner.eof:
            raise DecodeError("the gzip data ends too early")


class Zstd:
    """Also several frames one after the other."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._inner = self._decompressor.decompressobj()
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        view = memoryview(data)
        try:
            for start in range(0, len(view), _ZSTD_SLICE):
                yield from self._slice(bytes(view[start : start + _ZSTD_SLICE]))
        except zstandard.ZstdError as error:
            raise DecodeError(f"broken zstd data: {error}") from error

    def _slice(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inner.eof:
                self._inner = self._decompressor.decompressobj()
            self._started = True
            piece = self._inner.decompress(data)
            if piece:
                yield piece
            data = self._inner.unused_data if self._inner.eof else b""

    def finish(self) -> None:
        if self._started and not self._inner.eof:
            raise DecodeError("the zstd data ends too early")


def decoder_for(coding: str) -> Decoder | None:
    """For a Content-Encoding; None for one that nobody asked for."""
    match coding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Gzip()
        case "zstd":
            return Zstd()
    return None
