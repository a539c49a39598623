"""What a child leaves behind is taken as files and as nothing else: its words and its links lead nowhere."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import ValidationError

from services.common.errors import WorldError
from services.common.object_store import ObjectStore, open_store
from services.common.settings import Settings
from services.trainer.checkpoint_store import save_checkpoint
from services.trainer.children.child_process import MAX_ANSWER, _bounded
from services.trainer.children.last_words import last_words
from services.trainer.children.messages import CheckpointReady
from services.trainer.dataset.request import CheckResult
from services.trainer.metrics import Metrics
from services.trainer.stored_files import store_file
from services.trainer.train import Training, _Teller

if TYPE_CHECKING:
    from services.common.journal import Journal
    from services.trainer.planning.plan import TrainPlan

SECRET = "a key that is not the child's"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(Settings(home=tmp_path))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(SECRET)
    return tmp_path / "secrets" / "key"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


async def test_a_plain_file_is_stored_as_it_is(store: ObjectStore, scratch: Path) -> None:
    (scratch / "adapter").mkdir()
    (scratch / "adapter" / "a.json").write_text("{}")
    stored = await store_file(store, "p/", scratch / "adapter", Path("a.json"), ours=scratch)
    assert (stored.name, stored.size) == ("a.json", 2)
    assert await store.get("p/a.json") == b"{}"


@pytest.mark.parametrize("put", ["link", "folder", "pipe"])
async def test_what_stands_in_a_files_place_is_not_followed(
    store: ObjectStore, scratch: Path, secret: Path, put: str
) -> None:
    adapter = scratch / "adapter"
    if put == "folder":
        adapter.symlink_to(secret.parent)
    else:
        adapter.mkdir()
        (adapter / "key").symlink_to(secret) if put == "link" else os.mkfifo(adapter / "key")
    async with asyncio.timeout(5):
        with pytest.raises(WorldError, match="no plain file"):
            await store_file(store, "p/", adapter, Path("key"), ours=scratch)
    assert await store.list("p/") == []


async def test_a_checkpoint_is_where_checkpoints_are_whatever_the_child_says(
    store: ObjectStore, scratch: Path, secret: Path
) -> None:
    """The folder that a child named was read into the store and then removed."""
    plan = cast("TrainPlan", SimpleNamespace(job_id="a.b.0123456789ab", digest="d"))
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    teller = _Teller(Training(plan, scratch, store, cast("Journal", SimpleNamespace(emit=None)), Metrics(), trace, 0.0))
    await teller.on_message(CheckpointReady(step=3, folder=str(secret.parent)))
    await teller.finish()
    assert secret.read_text() == SECRET
    assert await store.list("jobs/") == []


async def test_a_checkpoint_of_links_is_not_stored(store: ObjectStore, scratch: Path, secret: Path) -> None:
    folder = scratch / "checkpoints" / "checkpoint-3"
    folder.parent.mkdir()
    folder.symlink_to(secret.parent)
    with pytest.raises(WorldError, match="no plain file"):
        await save_checkpoint(store, "a.b.0123456789ab", 3, folder, "d")


@pytest.mark.parametrize("name", ["/etc/passwd", "../check.json", "train.arrow/../../x"])
def test_a_check_names_no_other_files(name: str) -> None:
    with pytest.raises(ValidationError, match="files"):
        CheckResult.model_validate({"files": {name: 1}})


def test_only_the_end_of_a_log_is_read_and_no_other_file(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 100_000 + b"the end")
    assert last_words(tmp_path / "log", 7) == "the end"
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    assert [last_words(tmp_path / name, 100) for name in ("link", "pipe", "none")] == ["", "", ""]


async def test_an_answer_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.children.child_process.MAX_ANSWER", 10)
    lines = asyncio.StreamReader()
    lines.feed_data(b"x" * (4 << 20))
    lines.feed_eof()
    assert len(await _bounded(lines)) <= 1 << 20 < MAX_ANSWER
