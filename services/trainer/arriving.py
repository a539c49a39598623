"""Bytes on their way in, as events of the job that waits for them."""

from schemas.events.dataset import DatasetStaging
from schemas.events.model import ModelStaging
from schemas.workspace import ModelRef
from services.common.journal import Journal
from services.trainer.metrics import Metrics
from services.trainer.stage.progress import OnProgress


def dataset_events(journal: Journal, metrics: Metrics) -> OnProgress:
    """Tells of a dataset; nothing is told twice."""
    told: tuple[int, int | None] | None = None

    async def on_progress(done: int, total: int | None) -> None:
        nonlocal told
        if told == (done, total):
            return
        metrics.staged(done - (told[0] if told else 0))
        told = (done, total)
        await journal.emit(DatasetStaging, bytes=done, total_bytes=total)

    return on_progress


def model_events(journal: Journal, metrics: Metrics, model: ModelRef) -> OnProgress:
    """Tells of base weights."""

    async def on_progress(done: int, total: int | None) -> None:
        metrics.moved()
        told = {"repository": model.repository, "revision": model.revision, "bytes": done, "total_bytes": total}
        await journal.emit(ModelStaging, **told)

    return on_progress
