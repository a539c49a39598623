"""A person asks what was learned: of a job, of a pulled folder, and of the base model for comparison."""

from pathlib import Path

import pytest

from tests.e2e import requests
from tests.e2e.system import Job, System

PROMPT = "What does `builtins.abs` do?"


@pytest.fixture(scope="module")
def job(embedded: System, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    return embedded.succeed(requests.write(folder, *requests.documents("asked")))


def test_a_job_and_its_pulled_folder_give_the_same_answer(embedded: System, job: Job, tmp_path: Path) -> None:
    embedded.good("pull", job.id, "-o", str(tmp_path))

    (of_job,) = embedded.good("generate", job.id, "--prompt", PROMPT, "--json").lines
    (of_folder,) = embedded.good("generate", str(tmp_path), "--prompt", PROMPT, "--json").lines
    base = embedded.good("generate", str(tmp_path), "--prompt", PROMPT, "--base")

    assert (of_job["prompt"], of_job["with"]) == (PROMPT, "adapter")
    assert of_folder == of_job
    assert base.out.strip()


def test_a_folder_without_weights_is_said_so(embedded: System, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "lorabus/tiny"}')

    done = embedded.run("generate", str(tmp_path), "--prompt", PROMPT)

    assert (done.code, done.out) == (1, "")
    assert "adapter_model.safetensors" in done.err


def test_a_base_model_that_is_not_here_is_named(embedded: System, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/large"}')

    done = embedded.run("generate", str(tmp_path), "--prompt", PROMPT)

    assert done.code == 1
    assert "someone/large" in done.err
    assert str(embedded.home / "models") in done.err
