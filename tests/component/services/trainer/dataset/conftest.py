"""Datasets in a file store, checked by the real process with the example's tokenizer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bench.specs import spec_of
from schemas.workspace import InputSpec, VolumeSource
from services.common.object_store import ObjectStore, open_store
from services.trainer.children.child_process import Forkserver
from services.trainer.dataset import preflight as preflight_module
from services.trainer.dataset.check import answer
from services.trainer.dataset.preflight import Preflight, preflight
from services.trainer.dataset.request import CheckRequest, CheckResult
from services.trainer.dataset.settings import DatasetSettings
from services.trainer.stage import stage

TINY = Path(__file__).parents[5] / "examples" / "tiny"
Run = Callable[..., Awaitable[Preflight]]


@pytest.fixture
def settings(tmp_path: Path) -> DatasetSettings:
    return DatasetSettings(home=tmp_path)


@pytest.fixture
def store(settings: DatasetSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks in this process, which spares each test a second of imports."""

    async def check_here(request: CheckRequest, folder: Path, _checks: object, _memory: int) -> CheckResult:
        assert folder.is_dir()
        made = await asyncio.to_thread(answer, CheckRequest.model_validate_json(request.model_dump_json()))
        return preflight_module.result_of(made.model_dump_json().encode(), "", 0)

    monkeypatch.setattr(preflight_module, "run_check", check_here)


@pytest.fixture
def checks() -> Iterator[Forkserver]:
    """Started by the first check that needs it."""
    checks = Forkserver()
    yield checks
    checks.close()


@pytest.fixture
def run(settings: DatasetSettings, store: ObjectStore, tmp_path: Path, checks: Forkserver) -> Run:
    """Stages files given as `name=text` and checks them; keywords in capitals are sections of the training config."""
    runs = iter(range(100))

    async def check(files: dict[str, bytes | str], **changes: object) -> Preflight:
        claim = tmp_path / "volumes" / "data"
        claim.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (claim / name).write_bytes(text.encode() if isinstance(text, str) else text)
        config = {name: value for name, value in changes.items() if name[0].isupper()}
        source = InputSpec(kind="volume", volume=VolumeSource(claim_name="data"))
        spec = spec_of(source, **{"DatasetConfig": {"train_test_split": 1}, **config})
        changed = settings.model_copy(update={name: value for name, value in changes.items() if name[0].islower()})
        dataset = await stage(spec, store, changed, on_progress=nobody_listens)
        scratch = tmp_path / f"scratch{next(runs)}"
        scratch.mkdir()
        return await preflight(spec, dataset, store, scratch, TINY, settings=changed, checks=checks)

    return check


async def nobody_listens(done: int, total: int | None) -> None:
    return None
