"""What went wrong, in the words of `schemas.failures`: from an exception inside the child, or from how it ended."""

import errno
import signal

from schemas.failures import Reason
from services.common.errors import JobError, UserError, WorldError
from services.trainer.children.messages import Failed

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "Cannot allocate memory", "bad_alloc")
_DEVICE = ("CUDA error", "CUBLAS", "cudnn", "NCCL", "device-side assert", "no kernel image")
_LONGEST = 500


def is_out_of_memory(error: BaseException) -> bool:
    """The libraries have no common kind for it."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def explain(error: BaseException) -> Failed:
    """Tell the reasons apart that a library only tells in words."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST]
    if is_out_of_memory(error):
        return Failed(reason=Reason.OUT_OF_MEMORY, message=text)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failed(reason=Reason.DISK_FULL, message=f"no space left where the trainer works: {text}")
    if any(words in str(error) for words in _DEVICE):
        return Failed(reason=Reason.DEVICE_ERROR, message=text)
    return Failed(reason=Reason.INTERNAL, message=text)


def as_error(failed: Failed, memory: tuple[int, int]) -> JobError:
    """The exception for what a child has said."""
    if failed.reason is Reason.OUT_OF_MEMORY:
        return out_of_memory(memory, failed.message)
    kind = WorldError if failed.reason.retryable else UserError
    return kind(failed.reason, failed.message)


def as_death(status: int, memory: tuple[int, int], last_words: str, *, killed_for_memory: bool) -> JobError:
    """The exception for a child that ended without a word; `last_words` are the end of its log.

    A library that gets no memory may write that and abort.
    """
    if killed_for_memory:
        return out_of_memory(memory, "the kernel killed the training")
    if any(words in last_words for words in _NO_MEMORY):
        return out_of_memory(memory, last_words.strip().rpartition("\n")[2][:_LONGEST])
    if status < 0:
        name = signal.Signals(-status).name
        return WorldError(Reason.WORKER_KILLED, f"the training process was killed by {name}")
    return WorldError(Reason.INTERNAL, f"the training process ended with exit code {status} and no word why")


def out_of_memory(memory: tuple[int, int], text: str) -> UserError:
    """Say what was expected and what to change."""
    low, high = (f"{size / 2**30:.1f} GiB" for size in memory)
    return UserError(
        Reason.OUT_OF_MEMORY,
        f"the training ran out of memory ({text}); the estimate was {low} to {high}. Ways out: a smaller "
        "TrainingArguments.max_length, gradient_checkpointing: true, method qlora, or a smaller LoraConfig.r",
    )
