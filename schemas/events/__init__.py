"""Every event on the status topic: its type, without prefix and version, and the model of its data."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.events.base import EventData, State, Wire
from schemas.events.dataset import DatasetChecked, DatasetStaged, DatasetStaging
from schemas.events.image import ImagePublished, ImagePushing
from schemas.events.job import (
    JobAccepted,
    JobCancelled,
    JobCancelling,
    JobClaimed,
    JobFailed,
    JobQueued,
    JobRejected,
    JobSucceeded,
)
from schemas.events.model import ModelStaging
from schemas.events.training import (
    AdapterTrained,
    CheckpointSaved,
    TrainingEvaluated,
    TrainingProgress,
    TrainingResumed,
    TrainingStarted,
)

EVENT_TYPES: Mapping[str, type[EventData]] = MappingProxyType(
    {
        "job.accepted": JobAccepted,
        "job.queued": JobQueued,
        "job.rejected": JobRejected,
        "job.claimed": JobClaimed,
        "model.staging": ModelStaging,
        "dataset.staging": DatasetStaging,
        "dataset.staged": DatasetStaged,
        "dataset.checked": DatasetChecked,
        "training.started": TrainingStarted,
        "training.progress": TrainingProgress,
        "training.evaluated": TrainingEvaluated,
        "training.resumed": TrainingResumed,
        "checkpoint.saved": CheckpointSaved,
        "adapter.trained": AdapterTrained,
        "image.pushing": ImagePushing,
        "image.published": ImagePublished,
        "job.cancelling": JobCancelling,
        "job.succeeded": JobSucceeded,
        "job.failed": JobFailed,
        "job.cancelled": JobCancelled,
    }
)
TYPE_OF: Mapping[type[EventData], str] = MappingProxyType({model: name for name, model in EVENT_TYPES.items()})

__all__ = ["EVENT_TYPES", "TYPE_OF", "EventData", "State", "Wire"]
