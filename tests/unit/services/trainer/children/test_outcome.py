"""What a child's error or end means: its owner's to mend, or the world's to try again."""

import errno

import pytest

from schemas.failures import Reason
from services.common.errors import UserError, WorldError
from services.trainer.children.outcome import as_death, as_error, explain

MEMORY = (1 << 30, 2 << 30)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), Reason.OUT_OF_MEMORY),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
            Reason.OUT_OF_MEMORY,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), Reason.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Reason.DEVICE_ERROR),
        (RuntimeError("NCCL communicator was aborted"), Reason.DEVICE_ERROR),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.DISK_FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Reason.DISK_FULL),
        (ValueError("something else"), Reason.INTERNAL),
    ],
)
def test_a_librarys_words_become_a_reason(error: Exception, reason: Reason) -> None:
    failed = explain(error)
    assert failed.reason is reason
    raised = as_error(failed, MEMORY)
    assert isinstance(raised, WorldError if reason.retryable else UserError)
    assert str(error) in raised.message


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        (-9, "", Reason.WORKER_KILLED),
        (-11, "Fatal Python error: Segmentation fault", Reason.WORKER_KILLED),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", Reason.OUT_OF_MEMORY),
        (70, "ImportError: no module", Reason.INTERNAL),
    ],
)
def test_a_child_that_ends_without_a_word_is_judged_by_its_end_and_its_log(
    status: int, words: str, reason: Reason
) -> None:
    assert as_death(status, MEMORY, words, killed_for_memory=False).reason is reason


def test_out_of_memory_says_what_was_expected_and_what_to_change() -> None:
    error = as_death(-9, MEMORY, "", killed_for_memory=True)
    assert error.reason is Reason.OUT_OF_MEMORY
    assert "the estimate was 1.0 GiB to 2.0 GiB" in error.message
    assert "TrainingArguments.max_length" in error.message
