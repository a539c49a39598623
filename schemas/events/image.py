"""The adapter on its way into a registry or a volume. Sizes are bytes."""

from schemas.events.base import EventData, State


class ImagePushing(EventData):
    """Bytes pushed so far, of all blobs."""

    state: State = State.PUBLISHING
    bytes: int
    total_bytes: int


class ImagePublished(EventData):
    """The manifest is in place under its reference."""

    state: State = State.PUBLISHING
    reference: str
    digest: str
    size: int
