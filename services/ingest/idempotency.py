"""`Idempotency-Key`: the same key with the same body is the same request; with another body it is a mistake.

A job's id follows from its spec, so sending a request again never makes a second job; what is left to keep is which
body a key belongs to (idea: the IETF draft of the header).
"""

from dataclasses import dataclass
from hashlib import sha256

from services.common.object_store import ObjectStore
from services.ingest.http_problem import ProblemError


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Keeps the digest of the body that came first under each key."""

    store: ObjectStore

    async def check(self, key: str, body_digest: str) -> None:
        """Refuse a key that stands for another body."""
        place = f"idempotency/{sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"
        if await self.store.create(place, body_digest.encode()):
            return
        if await self.store.get(place) != body_digest.encode():
            detail = "this Idempotency-Key was sent with another body before; use a new key for a new request"
            raise ProblemError(422, "Idempotency-Key used before", detail, problems=[])
