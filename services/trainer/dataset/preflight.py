"""Checks and tokenises a staged dataset before any model is loaded, unless the store has the tokens already."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from schemas.failures import Reason
from schemas.workspace import ResolvedSpec
from services.common.errors import UserError, WorldError
from services.common.object_store import ObjectStore
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement
from services.trainer.children.last_words import last_words
from services.trainer.dataset.request import (
    MEMORY_BYTES,
    Answer,
    CheckFailed,
    CheckRequest,
    CheckResult,
    DataFile,
    Rules,
)
from services.trainer.dataset.select import select
from services.trainer.dataset.settings import DatasetSettings
from services.trainer.dataset.token_cache import cache_key, fetch_tokens, store_tokens
from services.trainer.planning.memory import model_facts
from services.trainer.planning.plan import DataFacts, max_length
from services.trainer.stage.files import StagedDataset

_LAST_WORDS = 500
_CHECK = "services.trainer.dataset.check:run"


@dataclass(frozen=True, slots=True)
class Preflight:
    """A dataset that can be trained on: `facts` are fields of `DatasetChecked`."""

    tokens_folder: Path
    data: DataFacts
    facts: dict[str, object]


class DatasetRefused(UserError):
    """Rows were read, and they cannot be trained on; `facts` are fields of `DatasetChecked`."""

    def __init__(self, failed: CheckFailed) -> None:
        super().__init__(failed.reason, failed.message)
        self.facts = failed.facts()


async def preflight(
    spec: ResolvedSpec,
    dataset: StagedDataset,
    store: ObjectStore,
    scratch: Path,
    model_folder: Path,
    *,
    settings: DatasetSettings,
    checks: Forkserver,
    memory_bytes: int = MEMORY_BYTES,
) -> Preflight:
    """`checks` forks the checking process, which gets `memory_bytes` at most.

    Raises `DatasetRefused` with the bad rows, or another `JobError`.
    """
    rules = rules_of(spec, model_folder, settings)
    folder = scratch / "tokens"
    folder.mkdir(parents=True, exist_ok=True)
    key = await asyncio.to_thread(cache_key, dataset.digest, model_folder, rules)
    cached = await fetch_tokens(store, key, folder)
    if cached is not None:
        return _preflight(folder, dataset.digest, cached, reused=True)
    files = await _fetch(dataset, rules, store, scratch / "dataset")
    request = CheckRequest(files=files, model_folder=model_folder, rules=rules, out=folder)
    result = await run_check(request, scratch, checks, memory_bytes)
    await asyncio.to_thread(shutil.rmtree, scratch / "dataset", ignore_errors=True)
    await store_tokens(store, key, folder, result)
    return _preflight(folder, dataset.digest, result, reused=False)


def rules_of(spec: ResolvedSpec, model_folder: Path, settings: DatasetSettings) -> Rules:
    """What of the spec decides about rows and tokens; the model's positions limit how long a row can be."""
    training = spec.config.training
    config = orjson.loads((model_folder / "config.json").read_bytes())
    return Rules(
        dataset=spec.config.dataset,
        chat_template=spec.config.model.chat_template,
        max_length=max_length(training, model_facts(config, 0)),
        packing=training.packing,
        packing_strategy=training.packing_strategy,
        assistant_only_loss=training.assistant_only_loss,
        completion_only_loss=training.completion_only_loss,
        text_field=training.dataset_text_field,
        eos_token=training.eos_token,
        bad_share=settings.dataset_bad_share,
        problem_limit=settings.dataset_problem_limit,
    )


async def run_check(
    request: CheckRequest, folder: Path, checks: Forkserver, memory_bytes: int = MEMORY_BYTES
) -> CheckResult:
    """Run the checking process; it reads the request's files and writes into `request.out` alone."""
    path, log = folder / "check.json", folder / "check.log"
    path.write_text(request.model_dump_json())
    readable = (str(path), str(request.model_folder), *(str(file.path) for file in request.files))
    allowed = Confinement(readable, (str(request.out),), memory_bytes)
    output, status = await checks.ask(_CHECK, {"request": str(path)}, log, allowed)
    return result_of(output, last_words(log, _LAST_WORDS), status)


def result_of(output: bytes, errors: str, status: int) -> CheckResult:
    """What the process answered; raises what it told, or why it told nothing."""
    try:
        answer = Answer.model_validate_json(output)
    except ValidationError as error:
        raise _died(errors, status) from error
    if answer.result is not None:
        return answer.result
    if answer.failed is not None and not answer.failed.reason.retryable:
        raise DatasetRefused(answer.failed)
    raise _died(errors, status)


def _died(errors: str, status: int) -> UserError | WorldError:
    """A signal from the kernel may be the machine's want of memory; a crash of its own is the data's."""
    words = errors.strip()
    if status in (-6, -7, -8, -11):
        return UserError(
            Reason.DATASET_UNREADABLE, f"a file of the dataset made its reader crash (signal {-status}): {words}"
        )
    return WorldError(Reason.WORKER_KILLED, f"the check of the dataset ended with status {status}: {words}")


async def _fetch(dataset: StagedDataset, rules: Rules, store: ObjectStore, folder: Path) -> list[DataFile]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, file in enumerate(select(dataset.files, rules.dataset.dataset_path)):
        path = folder / str(number)
        try:
            await store.download(file.key, path)
        except KeyError as error:
            raise WorldError(Reason.STORE_UNAVAILABLE, f"{file.key} is gone from {store.address}") from error
        files.append(DataFile(name=file.name, path=path))
    return files


def _preflight(folder: Path, digest: str, result: CheckResult, *, reused: bool) -> Preflight:
    return Preflight(folder, data_facts(digest, result), {**result.facts(), "reused": reused})


def data_facts(digest: str, result: CheckResult) -> DataFacts:
    """What the plan has to know of the rows."""
    return DataFacts(
        digest=digest,
        rows=result.rows,
        eval_rows=result.eval_rows,
        tokens=result.train_tokens,
        trained_tokens=result.train_trained_tokens,
        longest=result.tokens.max,
        packs=result.packs,
    )
