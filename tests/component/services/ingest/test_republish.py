"""What was trained and not published is published without training again, by jobs of their own, one after the other."""

from pathlib import Path

import pytest

from schemas import store_keys
from schemas.events import EventData
from schemas.events.job import Image, JobCancelled, JobFailed, JobSucceeded
from schemas.records import AdapterManifest, SpecRecord, as_json
from services.common.ending import end_job
from services.common.journal import Journal
from services.ingest.accept import Accepted
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import START, World, request, workspace, world
from tests.component.services.ingest.serving import serving

FAILED = {"reason": "RegistryUnavailable", "retryable": True, "message": "the registry is away"}
IMAGE = {"image": Image(reference="r", digest="d", size=1)}


async def accepted(at: World) -> Accepted:
    answer = await at.acceptance.accept(request(workspace()))
    assert isinstance(answer, Accepted)
    return answer


async def trained(at: World, record: SpecRecord, attempt: int = 2) -> None:
    manifest = AdapterManifest(
        job_id=record.job_id,
        attempt=attempt,
        files=[],
        trained_tokens=1,
        base_model="b",
        base_revision="r",
        dataset_digest="d",
        created_at=START,
    )
    await at.store.put(store_keys.adapter_manifest(record.job_id), as_json(manifest))


async def end(at: World, record: SpecRecord, model: type[EventData], **data: object) -> None:
    journal = Journal(
        at.sent.publish, job_id=record.job_id, attempt=2, source="publisher", traceparent=record.traceparent
    )
    await end_job(at.store, journal, record.job_id, 2, model, **data)


async def manifest_of(at: World, record: SpecRecord) -> AdapterManifest:
    return AdapterManifest.model_validate_json(await at.store.get(store_keys.adapter_manifest(record.job_id)) or b"{}")


async def test_the_same_request_after_a_failed_publication_is_a_job_that_has_the_adapter() -> None:
    at = world()
    first = await accepted(at)
    await trained(at, first.record)
    await end(at, first.record, JobFailed, **FAILED)

    again = await accepted(at)
    assert again.new
    assert again.record.job_id != first.record.job_id
    assert again.record.spec == first.record.spec
    assert [envelope.subject for envelope in at.sent.envelopes[-2:]] == [again.record.job_id] * 2
    inherited = await manifest_of(at, again.record)
    assert (inherited.job_id, inherited.attempt) == (again.record.job_id, 1)
    assert (inherited.trained_by.job_id, inherited.trained_by.attempt) == (first.record.job_id, 2)

    # While it works, and after it has succeeded, the request leads to it and makes nothing new.
    assert (await accepted(at)).record == again.record
    await end(at, again.record, JobSucceeded, **IMAGE)
    repeated = await accepted(world(at.store))
    assert (repeated.record, repeated.new) == (again.record, False)


async def test_one_that_fails_too_is_followed_by_the_next_with_the_same_origin() -> None:
    at = world()
    records = [(await accepted(at)).record]
    await trained(at, records[0])
    for _ in range(2):
        await end(at, records[-1], JobFailed, **FAILED)
        records.append((await accepted(at)).record)
    assert len({record.job_id for record in records}) == 3
    assert (await manifest_of(at, records[-1])).trained_by.job_id == records[0].job_id


async def test_a_failure_before_the_adapter_was_complete_stays_the_end() -> None:
    at = world()
    first = await accepted(at)
    await end(at, first.record, JobFailed, **FAILED)
    assert (await accepted(at)).record == first.record


async def test_a_job_that_was_cancelled_or_has_succeeded_is_published_again_only_when_asked_by_name() -> None:
    for model, data in ((JobCancelled, {}), (JobSucceeded, IMAGE)):
        at = world()
        first = await accepted(at)
        await trained(at, first.record)
        assert await at.acceptance.publish(first.record.job_id) is None
        await end(at, first.record, model, **data)
        assert (await accepted(at)).record == first.record
        asked = await at.acceptance.publish(first.record.job_id)
        assert asked is not None
        assert asked.record.job_id != first.record.job_id
        assert (await manifest_of(at, asked.record)).trained_by.job_id == first.record.job_id


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    return IngestSettings(home=tmp_path)


async def test_over_http(tmp_path: Path, settings: IngestSettings) -> None:
    async with serving(tmp_path, settings) as client:
        row = await client.submit(workspace())
        job_id = row["jobId"]
        await client.bring()
        for asked, status, word in ((job_id, 409, "is pending"), ("default.none.0123456789ab", 404, "no job")):
            async with client.http.post(f"/v1/jobs/{asked}/publish") as answer:
                assert answer.status == status
                assert word in (await answer.json(content_type=None))["detail"]
        first = await accepted(client.world)
        await trained(client.world, first.record)
        await end(client.world, first.record, JobSucceeded, **IMAGE)
        async with client.http.post(f"/v1/jobs/{job_id}/publish") as answer:
            assert answer.status == 202
            following = await answer.json()
        assert following["jobId"] != job_id
        assert (following["state"], following["specDigest"]) == ("pending", row["specDigest"])
        assert answer.headers["Location"] == f"/v1/jobs/{following['jobId']}"
