"""What tests of the client share: a source in memory, and the repository of a fake registry."""

from collections.abc import AsyncIterator

from schemas.references import parse_reference
from services.common.registry.descriptors import (
    LAYER_GZIP,
    Descriptor,
    sha256_of,
)
from services.common.registry.docker_config import Credential
from services.common.registry.repository import Repository, open_repository
from tests.component.services.common.registry.fake_registry import PASSWORD, USER, FakeRegistry

GOOD = Credential(USER, PASSWORD)
DATA = bytes(range(256)) * 8_000


class Bytes:
    """A source in memory whose digest is found out by reading."""

    def __init__(self, data: bytes, *, known: bool = True) -> None:
        self._data = data
        self.size = len(data)
        self.digest = sha256_of(data) if known else None

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        for start in range(offset, self.size, 300_000):
            yield self._data[start : start + 300_000]
        self.digest = sha256_of(self._data)


def repository(registry: FakeRegistry, credential: Credential | None = GOOD, **more: object):  # type: ignore[no-untyped-def]
    options = {"insecure": [registry.address], "silence_seconds": 1.0, **more}
    return open_repository(parse_reference(f"{registry.address}/team/a:v1"), credential, **options)  # type: ignore[arg-type]


def descriptor(data: bytes) -> Descriptor:
    return Descriptor(media_type=LAYER_GZIP, digest=sha256_of(data), size=len(data))


async def read(source: Repository, wanted: Descriptor) -> bytes:
    return b"".join([chunk async for chunk in source.blob(wanted)])
