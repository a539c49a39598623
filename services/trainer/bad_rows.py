"""A bad record of the jobs topic becomes a dead letter once, although every trainer reads it anew at each start."""

import hashlib
from collections.abc import Sequence
from uuid import uuid4

import structlog

from schemas import store_keys
from services.common.errors import WorldError
from services.common.kafka.dead_letters import Publish
from services.common.object_store import ObjectStore

log = structlog.get_logger()


def once(store: ObjectStore, publish: Publish) -> Publish:
    """What `DeadLetters` sends with: the first trainer to create the record's mark in the store sends the letter.

    A topic that was made anew counts from 0 again, so the mark is of the record's bytes too. Without a store every
    trainer sends: two letters are better than none.
    """

    async def send(topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> object:
        mark = store_keys.dead_letter(_place(key, value, headers))
        try:
            if not await store.create(mark, uuid4().bytes):
                return None
        except WorldError as error:
            log.warning("the store cannot tell who sends a dead letter", error=error.message)
        try:
            return await publish(topic, key, value, headers)
        except BaseException:
            await store.delete(mark)
            raise

    return send


def _place(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str:
    told = dict(headers)
    parts = [told[f"lorabus_dlq_{name}"] for name in ("topic", "partition", "offset")]
    digest = hashlib.sha256(b"\0".join([*parts, key or b"", value or b""]))
    return digest.hexdigest()
