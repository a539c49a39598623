"""Volumes into a file store: which files count, and that no link leads out."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.failures import Reason
from schemas.workspace import VolumeSource
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.trainer.stage import StagedDataset

Stage = Callable[..., Awaitable[StagedDataset]]


@pytest.fixture
def claim(settings_home: Path) -> Path:
    folder = settings_home / "volumes" / "data"
    folder.mkdir(parents=True)
    return folder


CLAIM = VolumeSource(claim_name="data")


async def test_every_data_file_counts_in_the_order_of_the_names(
    stage_volume: Stage, claim: Path, store: ObjectStore
) -> None:
    for name in ("b.jsonl", "a/z.csv.gz", "a/A.PARQUET", "README.md", ".hidden.csv", ".git/x.csv"):
        path = claim / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    dataset = await stage_volume(CLAIM)
    assert [file.name for file in dataset.files] == ["a/A.PARQUET", "a/z.csv.gz", "b.jsonl"]
    assert await store.get(dataset.files[1].key) == b"a/z.csv.gz"


async def test_unchanged_files_are_not_read_again_and_changed_ones_are(stage_volume: Stage, claim: Path) -> None:
    (claim / "a.csv").write_text("1")
    (claim / "b.csv").write_text("2")
    first = await stage_volume(CLAIM)
    again = await stage_volume(CLAIM)
    assert (first.reused, again.reused, first.digest) == (False, True, again.digest)
    (claim / "b.csv").write_text("3")
    changed = await stage_volume(CLAIM)
    assert not changed.reused
    assert changed.files[0] == first.files[0]
    assert changed.digest != first.digest


async def test_a_stored_file_that_was_deleted_is_stored_again(
    stage_volume: Stage, claim: Path, store: ObjectStore
) -> None:
    (claim / "a.csv").write_text("1")
    first = await stage_volume(CLAIM)
    await store.delete(first.files[0].key)
    second = await stage_volume(CLAIM)
    assert not second.reused
    assert await store.get(second.files[0].key) == b"1"


@pytest.mark.parametrize("kind", ["file", "folder", "absolute"])
async def test_a_link_that_leads_out_is_refused(
    stage_volume: Stage, claim: Path, settings_home: Path, kind: str
) -> None:
    secret = settings_home / "secrets" / "key.csv"
    secret.parent.mkdir()
    secret.write_text("secret")
    if kind == "file":
        (claim / "a.csv").symlink_to("../../secrets/key.csv")
    elif kind == "absolute":
        (claim / "a.csv").symlink_to(secret)
    else:
        (claim / "own.csv").write_text("1")
        (claim / "sub").symlink_to(secret.parent)
        assert [file.name for file in (await stage_volume(CLAIM)).files] == ["own.csv"]
        return
    with pytest.raises(UserError, match="leads out of it") as caught:
        await stage_volume(CLAIM)
    assert caught.value.reason is Reason.SOURCE_REFUSED


async def test_links_inside_the_volume_work_as_kubernetes_makes_them(stage_volume: Stage, claim: Path) -> None:
    (claim / "..2025").mkdir()
    (claim / "..2025" / "a.csv").write_text("1")
    (claim / "..data").symlink_to("..2025")
    (claim / "a.csv").symlink_to("..data/a.csv")
    assert [file.name for file in (await stage_volume(CLAIM)).files] == ["a.csv"]


async def test_what_is_no_regular_file_is_left_out(stage_volume: Stage, claim: Path) -> None:
    os.mkfifo(claim / "pipe.csv")
    (claim / "a.csv").write_text("1")
    assert [file.name for file in (await stage_volume(CLAIM)).files] == ["a.csv"]


async def test_a_claim_that_is_not_there_names_the_folder(stage_volume: Stage, settings_home: Path) -> None:
    with pytest.raises(UserError, match=str(settings_home / "volumes" / "other")) as caught:
        await stage_volume(VolumeSource(claim_name="other"))
    assert caught.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("name", ["..", "../secrets", "a/b", "/etc"])
async def test_a_claim_is_one_folder_and_no_path(stage_volume: Stage, name: str) -> None:
    with pytest.raises(UserError, match="claimName"):
        await stage_volume(VolumeSource(claim_name=name))


async def test_no_data_file_is_an_empty_dataset(stage_volume: Stage, claim: Path) -> None:
    (claim / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="holds no data file") as caught:
        await stage_volume(CLAIM)
    assert caught.value.reason is Reason.DATASET_EMPTY


async def test_a_named_format_takes_files_of_any_name(stage_volume: Stage, claim: Path) -> None:
    (claim / "notes.txt").write_text("x")
    dataset = await stage_volume(CLAIM, DatasetConfig={"dataset_extension": "json"})
    assert [file.name for file in dataset.files] == ["notes.txt"]


async def test_a_host_path_must_lie_in_an_allowed_root(stage_volume: Stage, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "set", outside):
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text("1")
    (root / "link").symlink_to(outside)
    dataset = await stage_volume(VolumeSource(host_path=str(root / "set")), host_paths=(root,))
    assert len(dataset.files) == 1
    for path in (outside, root / "link", root / ".." / "outside"):
        with pytest.raises(UserError, match="LORABUS_HOST_PATHS") as caught:
            await stage_volume(VolumeSource(host_path=str(path)), host_paths=(root,))
        assert caught.value.reason is Reason.SOURCE_REFUSED


async def test_more_files_than_allowed_are_too_many(stage_volume: Stage, claim: Path) -> None:
    for number in range(4):
        (claim / f"{number}.csv").write_text("1")
    with pytest.raises(UserError, match="more than 3 data files") as caught:
        await stage_volume(CLAIM, source_max_files=3)
    assert caught.value.reason is Reason.DATASET_TOO_LARGE


async def test_all_files_together_stay_below_the_limit(stage_volume: Stage, claim: Path) -> None:
    for number in range(4):
        (claim / f"{number}.csv").write_bytes(bytes([number]) * 1000)
    with pytest.raises(UserError, match="larger than 3000 bytes") as caught:
        await stage_volume(CLAIM, source_max_bytes=3000)
    assert caught.value.reason is Reason.DATASET_TOO_LARGE
