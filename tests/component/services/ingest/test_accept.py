"""A request becomes one job, whoever asks, however often, whatever dies in between."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from schemas import store_keys
from schemas.events.job import JobAccepted, JobRejected
from schemas.records import SpecRecord
from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.ingest.accept import Accepted, Rejected
from services.ingest.spec_history import find_latest
from tests.component.services.ingest.harness import WORKSPACE, World, request, workspace, world


async def accepted(at: World, **tuning: Any) -> Accepted:
    answer = await at.acceptance.accept(request(workspace(**tuning)))
    assert isinstance(answer, Accepted)
    return answer


async def test_a_valid_request_writes_its_spec_and_tells_accepted_then_queued() -> None:
    at = world()
    answer = await accepted(at)
    stored = await at.store.get(store_keys.spec(answer.record.job_id))
    assert answer.new
    assert SpecRecord.model_validate_json(stored or b"") == answer.record
    assert at.sent.types == ["job.accepted", "job.queued"]
    assert [envelope.id for envelope in at.sent.envelopes] == [f"{answer.record.job_id}:0:ingest:{n}" for n in (1, 2)]
    assert {envelope.extensions["requestid"] for envelope in at.sent.envelopes} == {"r1"}


async def test_the_accepted_event_carries_the_resolved_spec() -> None:
    at = world()
    await accepted(at, method="LoRA")
    event = at.sent.events[0]
    assert isinstance(event, JobAccepted)
    assert event.spec["method"] == "lora"
    assert event.spec["output"]["image"] == "registry.example.com/answers:1"  # type: ignore[index]
    assert event.spec["config"]


async def test_the_same_request_again_sends_the_same_bytes_and_makes_nothing_new() -> None:
    at = world()
    first, again = await accepted(at), await accepted(at)
    assert again.record == first.record
    assert not again.new
    assert at.sent.records[:2] == at.sent.records[2:]
    assert (await find_latest(at.store, "default", "answers")).number == 1


async def test_a_changed_input_is_a_new_job_of_the_same_name() -> None:
    at = world()
    first = await accepted(at)
    second = await accepted(at, input={"urls": ["https://data.example.com/other.jsonl"]})
    assert first.record.job_id != second.record.job_id
    assert second.new


async def test_a_rerun_is_a_new_job_of_the_same_spec() -> None:
    at = world()
    first = await accepted(at)
    answer = await at.acceptance.accept(request(workspace(), rerun="once more"))
    assert isinstance(answer, Accepted)
    assert answer.record.spec_digest == first.record.spec_digest
    assert answer.record.job_id != first.record.job_id


@pytest.mark.parametrize("change", [{"method": "qlora"}, {"preset": {"name": "phi-4"}}])
async def test_preset_and_method_of_a_name_never_change(change: dict[str, Any]) -> None:
    at = world()
    await accepted(at)
    answer = await world(at.store).acceptance.accept(request(workspace(**change)))
    assert isinstance(answer, Rejected)
    assert any("cannot be changed" in problem.message for problem in answer.problems)


async def test_the_rule_on_updates_holds_between_processes_that_accept_at_once() -> None:
    at = world()
    others = [world(at.store) for _ in range(6)]
    changes: list[dict[str, Any]] = [{}, {"preset": {"name": "phi-4"}}] * 3
    asked = zip(others, changes, strict=True)
    answers = await asyncio.gather(*(one.acceptance.accept(request(workspace(**change))) for one, change in asked))
    presets = {answer.record.spec.preset for answer in answers if isinstance(answer, Accepted)}
    assert len(presets) == 1
    assert sum(isinstance(answer, Accepted) for answer in answers) == 3


async def test_a_refusal_has_every_problem_and_writes_nothing() -> None:
    at = world(secrets=())
    answer = await at.acceptance.accept(request(workspace(method="full", preset={"name": "tinny"})))
    event = at.sent.events[0]
    assert isinstance(answer, Rejected)
    assert isinstance(event, JobRejected)
    assert at.sent.types == ["job.rejected"]
    text = "\n".join(f"{problem.path}: {problem.message}" for problem in event.problems)
    assert "tuning.method" in text.lower()
    assert "did you mean 'tiny'" in text
    assert "'push'" in text
    assert at.sent.envelopes[0].extensions["requestid"] == "r1"
    assert await at.store.list("jobs/") == []
    assert await at.store.list("workspaces/") == []


async def test_the_same_bad_request_again_is_the_same_event() -> None:
    at = world(secrets=())
    for _ in range(2):
        await at.acceptance.accept(request({**WORKSPACE, "kind": "Pod"}))
    assert at.sent.envelopes[0].id == at.sent.envelopes[1].id


class Dying(ObjectStore):
    """Fails the `n`th create, once, as a store that goes away does."""

    def __init__(self, inner: ObjectStore, number: int) -> None:
        super().__init__(inner.backend, inner.address)
        self.left = number

    async def create(self, key: str, data: bytes) -> bool:
        self.left -= 1
        if self.left == 0:
            raise self._unavailable("create", key, OSError("gone"))
        return await super().create(key, data)


@pytest.mark.parametrize("number", [1, 2])
async def test_an_acceptance_that_broke_off_is_completed_by_the_next_try(number: int) -> None:
    at = world()
    with pytest.raises(WorldError):
        await accepted(world(Dying(at.store, number)))
    answer = await accepted(at)
    assert answer.new
    assert at.sent.types == ["job.accepted", "job.queued"]
    assert len(await at.store.list("jobs/")) == 1


async def test_a_config_map_is_taken_from_the_request_then_from_the_folder() -> None:
    text = "training_config: {LoraConfig: {r: %d}}"
    at = world(maps={"mine": {"training_config.yaml": text % 4}})
    folder = await accepted(at, config="mine")
    carried = request(workspace(config="mine"))
    carried = replace(carried, config_maps={"mine": {"training_config.yaml": text % 16}})
    answer = await at.acceptance.accept(carried)
    assert isinstance(answer, Accepted)
    assert folder.record.job_id != answer.record.job_id


async def test_a_missing_config_map_says_where_it_was_looked_for() -> None:
    answer = await world().acceptance.accept(request(workspace(config="absent")))
    assert isinstance(answer, Rejected)
    assert any("'absent'" in problem.message and "the test" in problem.message for problem in answer.problems)


@pytest.mark.parametrize(
    "asked",
    [
        workspace(input={"urls": [f"https://data.example.com/{number}{'x' * 8000}" for number in range(130)]}),
        workspace(name="x" * 1_000_000),
        workspace() | {"y" * 1_000_000: 1},
    ],
    ids=["urls", "name", "field"],
)
async def test_what_is_told_of_a_huge_request_fits_into_a_record(asked: dict[str, Any]) -> None:
    """Kafka refused the answer, which counted as a fault of the world: ingest stopped, and met the request again."""
    at = world()
    assert isinstance(await at.acceptance.accept(request(asked)), Rejected)
    assert max(len(value or b"") for _, _, value, _ in at.sent.records) < 900_000
    assert await at.store.list("jobs/") == []
