"""The layer that KAITO does not look at: what a person, and who serves the adapter, finds beside the weights."""

import json
import tarfile
from pathlib import Path

import pytest

from schemas import store_keys
from schemas.records import SpecRecord
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import adapter_files, to_claim, trained_job

HISTORY = b'{"losses": [[1, 4.0], [2, 2.5], [3, 1.0]]}\n'
BESIDE = {"tokenizer.json": b"{}", "chat_template.jinja": b"base", "training_history.json": HISTORY}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, layer_compression="none")


async def published(bench: Bench, record: SpecRecord) -> tuple[str, dict[str, bytes]]:
    """The image's digest and the files of its second layer."""
    await bench.publisher().publish(record.job_id, 1)
    image = bench.last()["image"]
    assert isinstance(image, dict)
    folder = bench.settings.volumes_dir / "claim" / record.job_id
    blobs = folder / "blobs" / "sha256"
    manifest = json.loads((blobs / str(image["digest"]).removeprefix("sha256:")).read_bytes())
    with tarfile.open(blobs / manifest["layers"][1]["digest"].removeprefix("sha256:")) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return str(image["digest"]), {name: file.read() for name, file in files.items() if file}


async def test_golden_image(bench: Bench) -> None:
    """Weights, card, picture and documents together: whoever changes this digest changes every image, and means it."""
    record = await trained_job(bench.store, to_claim("claim"), files={**adapter_files(), **BESIDE})
    digest, files = await published(bench, record)
    assert sorted(files) == [
        "info/README.md",
        "info/chat_template.jinja",
        "info/loss.svg",
        "info/tokenizer.json",
        "info/training_history.json",
    ]
    card = files["info/README.md"].decode()
    assert "![Training loss by step](loss.svg)" in card
    assert "| loss_last | 1 |" in card
    assert record.job_id not in card
    assert files["info/loss.svg"].startswith(b"<svg")
    assert files["info/tokenizer.json"] == b"{}"
    assert digest == "sha256:6a737edd0d756e75e62f37c925fb3fba5fc2bfd783d5b86e0bdb629bd833e19a"


async def test_the_request_s_template_replaces_the_base_model_s(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"), files={**adapter_files(), **BESIDE})
    model = record.spec.config.model.model_copy(update={"chat_template": "{{ messages }}"})
    config = record.spec.config.model_copy(update={"model": model})
    changed = record.model_copy(update={"spec": record.spec.model_copy(update={"config": config})})
    await bench.store.put(store_keys.spec(record.job_id), changed.model_dump_json(by_alias=True).encode())
    _, files = await published(bench, record)
    assert files["info/chat_template.jinja"] == b"{{ messages }}"


@pytest.mark.parametrize("history", [None, b"no JSON", b'{"losses": []}'])
async def test_without_a_history_there_is_no_picture(bench: Bench, history: bytes | None) -> None:
    more = {} if history is None else {"training_history.json": history}
    record = await trained_job(bench.store, to_claim("claim"), files={**adapter_files(), **more})
    _, files = await published(bench, record)
    assert "info/loss.svg" not in files
    assert "loss.svg" not in files["info/README.md"].decode()
