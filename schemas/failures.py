"""Why a job can fail: one code each, and whether trying again can help.

The codes are part of the outside: events carry them as `reason`, `docs/errors.md` has an entry for each.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A failure's stable code."""

    # The user's: terminal at once.
    SOURCE_REFUSED = "SourceRefused"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_UNAUTHORIZED = "SourceUnauthorized"
    DATASET_TOO_LARGE = "DatasetTooLarge"
    DATASET_UNREADABLE = "DatasetUnreadable"
    DATASET_EMPTY = "DatasetEmpty"
    DATASET_INVALID = "DatasetInvalid"
    NOTHING_TO_TRAIN = "NothingToTrain"
    CONFIG_INVALID = "ConfigInvalid"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_UNSUPPORTED = "ModelUnsupported"
    TARGET_MODULES_NOT_FOUND = "TargetModulesNotFound"
    OUT_OF_MEMORY = "OutOfMemory"
    TRAINING_DIVERGED = "TrainingDiverged"
    ADAPTER_UNCHANGED = "AdapterUnchanged"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OUTPUT_REFUSED = "OutputRefused"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a failure's name, no secret.
    PUSH_UNAUTHORIZED = "PushUnauthorized"
    # The world's: tried again, and at the end of all tries `AttemptsExhausted`.
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    STORE_UNAVAILABLE = "StoreUnavailable"
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    DISK_FULL = "DiskFull"
    DEVICE_ERROR = "DeviceError"
    WORKER_KILLED = "WorkerKilled"
    INTERNAL = "Internal"
    ATTEMPTS_EXHAUSTED = "AttemptsExhausted"

    @property
    def retryable(self) -> bool:
        """True when the same job may well succeed if it is tried again, without a change by its owner."""
        return self in _RETRYABLE

    @property
    def help(self) -> str:
        """Where the documentation explains this code."""
        return f"docs/errors.md#{self.value.lower()}"


_RETRYABLE = frozenset(
    {
        Reason.SOURCE_UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        Reason.REGISTRY_UNAVAILABLE,
        Reason.DISK_FULL,
        Reason.DEVICE_ERROR,
        Reason.WORKER_KILLED,
        Reason.INTERNAL,
        Reason.ATTEMPTS_EXHAUSTED,
    }
)
