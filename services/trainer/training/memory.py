"""Work that may be too large for the memory: tried, and let go of whole when it is."""

import ctypes
import gc
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

import torch

from services.trainer.children.outcome import is_out_of_memory

Result = TypeVar("Result")


def tried(work: Callable[[], Result], *, can_be_cut: bool) -> Result | None:
    """None when the memory was not enough for it, and what it held is free again; raises where nothing can be cut."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not can_be_cut or not is_out_of_memory(error):
            raise
        # What the failed work holds hangs on the error's frames.
        traceback.clear_frames(error.__traceback__)
    _let_go()
    return None


def _let_go() -> None:
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
