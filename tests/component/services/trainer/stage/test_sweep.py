"""What a killed trainer leaves in the store goes away; what is used or still young stays."""

import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from schemas.workspace import VolumeSource
from services.common.object_store import ObjectStore
from services.trainer.stage import StagedDataset
from services.trainer.stage.sweep import sweep_uploads

Stage = Callable[..., Awaitable[StagedDataset]]
DAY = 24 * 3600


async def test_only_old_uploads_that_no_digest_names_are_removed(
    stage_volume: Stage, store: ObjectStore, settings_home: Path
) -> None:
    claim = settings_home / "volumes" / "data"
    claim.mkdir(parents=True)
    (claim / "a.csv").write_text("text\nx\n")
    dataset = await stage_volume(VolumeSource(claim_name="data"))
    for name in ("old", "young"):
        await store.put(f"datasets/uploads/{name}/a.csv", b"left behind")
    for path in settings_home.glob("store/datasets/uploads/*/*"):
        age = 1 if path.parent.name == "young" else 3
        os.utime(path, (time.time() - age * DAY,) * 2)
    assert await sweep_uploads(store) == 1
    left = await store.list("datasets/uploads/")
    assert left == sorted([dataset.files[0].key, "datasets/uploads/young/a.csv"])


async def test_an_empty_store_has_nothing_to_sweep(store: ObjectStore) -> None:
    assert await sweep_uploads(store, older_than=timedelta(0)) == 0
