"""The layer that KAITO reads: the adapter's two files, read once for every digest that anybody will ask for."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.events.training import AdapterFile
from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.layers.plan import Compression, Content, Entry, tar_plan
from services.common.layers.records import LayerRecord, PackedLayer

FOLDER = "data"
FILES = ("adapter_config.json", "adapter_model.safetensors")
"""What KAITO takes into an image, under `/data`; PEFT's own names."""
CHUNK_BYTES = 1024 * 1024


def describe(files: Mapping[str, Path], compression: Compression) -> tuple[list[AdapterFile], LayerRecord]:
    """Read the layer's files, local ones by name: what they are, and what the layer is that they make.

    Three hashes run side by side. A file that changes meanwhile is a `WorldError`.
    """
    paths = {f"{FOLDER}/{name}": path for name, path in files.items()}
    entries = tuple(Entry(inside, path.stat().st_size) for inside, path in paths.items())
    tar, layer, found = hashlib.sha256(), PackedLayer(compression), list[AdapterFile]()
    with ThreadPoolExecutor(3, "hashing") as threads:
        for piece in tar_plan(entries):
            own = hashlib.sha256()
            for chunk in _chunks(paths, piece):
                for done in [threads.submit(take, chunk) for take in (own.update, tar.update, layer.add)]:
                    done.result()
            if isinstance(piece, Content):
                name, digest = piece.entry.path.removeprefix(f"{FOLDER}/"), f"sha256:{own.hexdigest()}"
                found.append(AdapterFile(name=name, digest=digest, size=piece.entry.size))
    layer.end()
    return found, layer.record(tar)


def _chunks(paths: Mapping[str, Path], piece: bytes | Content) -> Iterator[bytes | memoryview]:
    if not isinstance(piece, Content):
        yield piece
        return
    left, buffer = piece.entry.size, memoryview(bytearray(CHUNK_BYTES))
    with paths[piece.entry.path].open("rb", buffering=0) as file:
        while length := file.readinto(buffer):
            left -= length
            yield buffer[:length]
    if left:
        raise WorldError(Reason.INTERNAL, f"{piece.entry.path} changed while it was read")
