"""The base model's weights on their way to the trainer, when it does not have them. Sizes are bytes."""

from schemas.events.base import EventData, State


class ModelStaging(EventData):
    """Bytes fetched so far of `repository` at `revision`; at most twice a second."""

    state: State = State.STAGING
    repository: str
    revision: str
    bytes: int
    total_bytes: int | None = None
