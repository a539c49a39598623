"""Base weights: from a folder, from the store, from a hub that breaks, lies, is gated or absent."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from bench.specs import spec_of
from schemas.failures import Reason
from schemas.workspace import InputSpec, ModelRef, ResolvedSpec
from services.common.errors import JobError
from services.common.object_store import ObjectStore, open_store
from services.trainer.base_model import find_base_model
from services.trainer.settings import TrainerSettings

from .fake_hub import COMMIT, FakeHub, running

WEIGHTS = os.urandom(3_000_000)
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}" * 3000,
    "tokenizer_config.json": b"{}",
    "model.safetensors": WEIGHTS,
}
BESIDE = {
    "consolidated.safetensors": b"the same again",
    "pytorch_model.bin": b"a pickle",
    "modeling_custom.py": b"import os",
    "README.md": b"# Model",
}
SPEC = spec_of(InputSpec(kind="urls")).model_copy(
    update={"preset": "org/model", "model": ModelRef(repository="org/model", revision=COMMIT)}
)
Find = Callable[..., Awaitable[Path]]


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with running(FakeHub({**FILES, **BESIDE})) as hub:
        yield hub


@pytest.fixture
def settings(tmp_path: Path, hub: FakeHub) -> TrainerSettings:
    return TrainerSettings(
        home=tmp_path,
        hub_url=hub.address,
        source_allow=(hub.large_address.removeprefix("http://"),),
        source_wait=0.0,
        source_tries=1,
    )


@pytest.fixture
def store(settings: TrainerSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
def told() -> list[tuple[int, int | None]]:
    return []


@pytest.fixture
def find(settings: TrainerSettings, store: ObjectStore, told: list[tuple[int, int | None]]) -> Find:
    async def run(spec: ResolvedSpec = SPEC, **changes: object) -> Path:
        async def on_progress(done: int, total: int | None) -> None:
            told.append((done, total))

        return await find_base_model(spec, store, settings.model_copy(update=changes), on_progress)

    return run


async def fault_of(finding: Awaitable[Path]) -> JobError:
    with pytest.raises(JobError) as caught:
        await finding
    return caught.value


def holds(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


async def test_what_a_folder_has_is_not_asked_for(find: Find, hub: FakeHub, tmp_path: Path) -> None:
    put(tmp_path / "models" / "org--model")
    assert await find() == tmp_path / "models" / "org--model"
    assert hub.asked == []


async def test_a_prefix_of_the_store_is_copied_once(find: Find, hub: FakeHub, tmp_path: Path) -> None:
    put(tmp_path / "store" / "weights" / "org--model")
    models = {"models": f"file://{tmp_path}/store/weights"}
    folder = await find(**models)
    assert holds(folder) == FILES
    (tmp_path / "store" / "weights" / "org--model" / "config.json").unlink()
    assert await find(**models) == folder
    assert hub.asked == []


async def test_a_prefix_outside_the_store_is_refused(find: Find) -> None:
    fault = await fault_of(find(models="s3://elsewhere/models"))
    assert fault.reason is Reason.MODEL_NOT_FOUND
    assert "must be a folder, or lie in LORABUS_STORE" in fault.message


async def test_the_hub_gives_what_is_needed_and_nothing_else(
    find: Find, hub: FakeHub, told: list[tuple[int, int | None]]
) -> None:
    folder = await find()
    assert holds(folder) == FILES
    assert set(hub.asked) == set(FILES)
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert await find() == folder
    assert len(hub.asked) == len(FILES)


async def test_a_branch_is_fetched_at_the_commit_that_it_stands_for(find: Find) -> None:
    branch = SPEC.model_copy(update={"model": ModelRef(repository="org/model", revision="main")})
    assert holds(await find(branch)) == FILES


async def test_weights_in_parts_are_those_that_the_index_names(find: Find, hub: FakeHub) -> None:
    shards = {"model-00001-of-00002.safetensors": b"one" * 999, "model-00002-of-00002.safetensors": b"two" * 999}
    index = json.dumps({"weight_map": dict.fromkeys("ab", min(shards)) | {"c": max(shards)}}).encode()
    del hub.files["model.safetensors"]
    hub.files |= {**shards, "model.safetensors.index.json": index}
    assert {name: content for name, content in holds(await find()).items() if name in shards} == shards


async def test_what_has_arrived_is_not_fetched_again(find: Find, hub: FakeHub) -> None:
    hub.breaks_after = 2_500_000
    fault = await fault_of(find())
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    hub.breaks_after = None
    assert holds(await find()) == FILES
    # What waits to be written or stands in the connection's buffers when it breaks is lost, not what came before.
    begin = int(hub.ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < begin <= 2_500_000
    assert hub.sent == 2_500_000 + len(WEIGHTS) - begin
    assert sorted(hub.asked) == sorted([*FILES, "model.safetensors"])


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
async def test_bytes_with_another_hash_are_thrown_away(find: Find, hub: FakeHub, tmp_path: Path, name: str) -> None:
    hub.lies = frozenset({name})
    fault = await fault_of(find())
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert name in fault.message
    hub.lies = frozenset()
    assert holds(await find()) == FILES


async def test_a_gated_model_names_the_tokens_variable(find: Find, hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "hf_s3cret"
    fault = await fault_of(find())
    assert fault.reason is Reason.MODEL_NOT_FOUND
    assert "LORABUS_HUB_TOKEN_FILE" in fault.message
    (tmp_path / "token").write_text("hf_s3cret\n")
    assert holds(await find(hub_token_file=tmp_path / "token")) == FILES
    assert hub.seen_by_large == {None}


async def test_without_a_network_the_files_and_their_place_are_said(find: Find, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for fault in (await fault_of(find(hub_url=closed)), await fault_of(find(hub_url=""))):
        assert fault.reason is Reason.MODEL_NOT_FOUND
        assert "put config.json, tokenizer.json, tokenizer_config.json and model.safetensors" in fault.message
        assert f"of org/model at revision {COMMIT} into {tmp_path}/models/org--model" in fault.message


async def test_a_folder_that_lacks_some_files_is_told_which(find: Find, tmp_path: Path) -> None:
    put(tmp_path / "models" / "org--model")
    (tmp_path / "models" / "org--model" / "tokenizer.json").unlink()
    assert "put tokenizer.json of org/model" in (await fault_of(find(hub_url=""))).message


async def test_a_hub_that_is_down_for_now_is_tried_again(find: Find, hub: FakeHub) -> None:
    hub.down = True
    assert (await fault_of(find())).reason is Reason.SOURCE_UNAVAILABLE


async def test_a_revision_that_is_not_there(find: Find) -> None:
    spec = SPEC.model_copy(update={"model": ModelRef(repository="org/model", revision="v9")})
    fault = await fault_of(find(spec))
    assert fault.reason is Reason.MODEL_NOT_FOUND
    assert "org/model at v9" in fault.message


async def test_a_redirect_to_an_address_inside_is_refused(find: Find, hub: FakeHub) -> None:
    hub.elsewhere = hub.large_address.replace("127.0.0.1", "127.0.0.2")
    fault = await fault_of(find())
    assert fault.reason is Reason.SOURCE_REFUSED
    assert hub.sent == 0


async def test_a_model_without_safetensors_is_refused(find: Find, hub: FakeHub) -> None:
    del hub.files["model.safetensors"]
    fault = await fault_of(find())
    assert fault.reason is Reason.MODEL_UNSUPPORTED
    assert "it has no model.safetensors" in fault.message
    assert hub.asked == []


@pytest.mark.parametrize("named", ["../../etc/passwd", "pytorch_model.bin", "absent.safetensors"])
async def test_an_index_cannot_name_what_is_no_weights_file(find: Find, hub: FakeHub, named: str) -> None:
    hub.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": named}}).encode()
    assert (await fault_of(find())).reason is Reason.MODEL_UNSUPPORTED


async def test_a_model_that_is_too_large_is_refused_before_its_weights_are_fetched(find: Find, hub: FakeHub) -> None:
    fault = await fault_of(find(hub_max_bytes=1000))
    assert "LORABUS_HUB_MAX_BYTES" in fault.message
    assert hub.sent == 0


async def test_several_trainers_of_a_machine_fetch_it_once(find: Find, hub: FakeHub) -> None:
    folders = await asyncio.gather(*(find() for _ in range(3)))
    assert len(set(folders)) == 1
    assert hub.sent == len(WEIGHTS)


def theirs(hub: FakeHub, folder: Path) -> dict[str, bytes]:
    """What huggingface_hub makes of the same hub."""
    client = HfApi(endpoint=hub.address)
    listed = client.model_info("org/model", revision=COMMIT, files_metadata=True)
    assert listed.sha == COMMIT
    sizes = {file.rfilename: file.lfs.size if file.lfs else file.size for file in listed.siblings or []}
    assert sizes == {name: len(content) for name, content in hub.files.items()}
    for name in FILES:
        client.hf_hub_download("org/model", name, revision=COMMIT, local_dir=folder)
    return {name: (folder / name).read_bytes() for name in FILES}


async def test_the_hub_of_these_tests_is_one_that_the_hubs_own_client_takes(hub: FakeHub, tmp_path: Path) -> None:
    """Otherwise what is fetched here would prove nothing about the real one."""
    assert await asyncio.to_thread(theirs, hub, tmp_path / "theirs") == FILES
