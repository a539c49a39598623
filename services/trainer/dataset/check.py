"""The checking process: a child of a fork server, which takes a `CheckRequest` and answers with one `Answer`.

It reads files that nobody vouches for, so it has no credentials, no network, a limit on memory, and dies with its
parent.
"""

import os
import resource
import sys
from io import BufferedWriter, RawIOBase
from pathlib import Path
from typing import Any

from schemas.failures import Reason
from services.common.errors import JobError
from services.trainer.children.parenthood import die_with
from services.trainer.dataset.checking import check
from services.trainer.dataset.request import MEMORY_BYTES, Answer, CheckFailed, CheckRequest, CheckResult
from services.trainer.dataset.tokenise import load_encoder


def run(arguments: dict[str, Any], pipe: RawIOBase, _stop: int) -> None:
    """Entry of the child: `arguments` name the request's file."""
    os.nice(5)
    request = CheckRequest.model_validate_json(Path(arguments["request"]).read_bytes())
    with BufferedWriter(pipe) as out:
        out.write(answer(request).model_dump_json().encode())


def restrict() -> None:
    """`argv[1]`, when given, is the parent that this process must not outlive."""
    if len(sys.argv) > 1:
        die_with(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    os.nice(5)


def answer(request: CheckRequest) -> Answer:
    """Never raises for what the dataset or the request brings with it."""
    try:
        outcome = check(request, load_encoder(request.model_folder, request.rules))
    except JobError as error:
        outcome = CheckFailed(reason=error.reason, message=error.message)
    except MemoryError:
        why = f"a file of the dataset needs more than {MEMORY_BYTES >> 30} GiB of memory to be read; split it"
        outcome = CheckFailed(reason=Reason.DATASET_UNREADABLE, message=why)
    return Answer(result=outcome) if isinstance(outcome, CheckResult) else Answer(failed=outcome)
