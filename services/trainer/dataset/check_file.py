"""Checks files of a person before any job exists: the rows, and what a training on them would take here.

    python -m services.trainer.dataset.check_file < request.json

One `FileCheck` on stdin, one `FileAnswer` on stdout. `lorabus check` starts it.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from schemas.events.dataset import DatasetChecked
from schemas.workspace import ResolvedSpec
from services.common.errors import JobError
from services.trainer.base_model import preset_of, read_model_facts
from services.trainer.dataset.check import answer, restrict
from services.trainer.dataset.names import is_data_file
from services.trainer.dataset.preflight import data_facts, rules_of
from services.trainer.dataset.request import CheckFailed, CheckRequest, CheckResult, DataFile
from services.trainer.dataset.settings import DatasetSettings
from services.trainer.planning.duration import estimate_seconds
from services.trainer.planning.hardware import detect
from services.trainer.planning.plan import Folders, make_plan

_OF_A_JOB = {"jobId", "attempt", "sequence", "state", "kaitoState", "reused"}


class FileCheck(BaseModel):
    """What is asked; of the spec only model, method and config matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[DataFile]
    spec: ResolvedSpec
    model_folder: Path


class FileAnswer(BaseModel):
    """`facts` are those of `dataset.checked`; `reason` and `message` are there when it cannot be trained on."""

    facts: dict[str, object]
    reason: str | None = None
    message: str | None = None
    notes: list[str] = Field(default_factory=list)


def main() -> int:
    """0 also for a dataset that cannot be trained on: the answer says so."""
    restrict()
    request = FileCheck.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.write(check_files(request).model_dump_json())
    return 0


def check_files(request: FileCheck) -> FileAnswer:
    """The very check and plan of a job, without a store."""
    spec = request.spec
    try:
        rules = rules_of(spec, request.model_folder, DatasetSettings())
        with tempfile.TemporaryDirectory(prefix="lorabus-check-") as out:
            # Beside data lie notes and licences; a file that was named alone is meant, whatever it is called.
            files = [file for file in request.files if is_data_file(file.name)] or request.files
            asked = CheckRequest(files=files, model_folder=request.model_folder, rules=rules, out=Path(out))
            told = answer(asked)
        return _refused(told.failed) if told.failed else _planned(spec, request.model_folder, told.result)
    except JobError as error:
        return _refused(CheckFailed(reason=error.reason, message=error.message))


def _planned(spec: ResolvedSpec, model_folder: Path, result: CheckResult | None) -> FileAnswer:
    assert result is not None  # noqa: S101  # An answer has one of the two; this tells the type checker.
    data, model, hardware = data_facts("", result), read_model_facts(model_folder), detect()
    folders = Folders(model=str(model_folder), tokens="")
    plan = make_plan(spec, preset_of(spec), data, model, hardware, folders, job_id="check")
    planned = {
        "planned_steps": plan.total_steps,
        "memory_bytes": plan.memory_bytes,
        "time_seconds": estimate_seconds(plan, data, model, hardware),
    }
    return FileAnswer(facts=_told({**result.facts(), **planned}), notes=list(plan.notes))


def _refused(failed: CheckFailed) -> FileAnswer:
    return FileAnswer(facts=_told(failed.facts()), reason=failed.reason, message=failed.message)


def _told(facts: Mapping[str, object]) -> dict[str, object]:
    """As the event would tell it, without what belongs to a job."""
    told = DatasetChecked.model_validate({"job_id": "check", "attempt": 0, "sequence": 1, **facts}).to_wire()
    return {name: value for name, value in told.items() if name not in _OF_A_JOB}


if __name__ == "__main__":
    sys.exit(main())
