"""Registries and volumes are served side by side: one that stands still holds up its own images and nobody else's."""

import asyncio
from pathlib import Path

from schemas.events import State
from services.common.object_store import ObjectStore
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running
from tests.component.services.publisher.harness import make_bench
from tests.component.services.publisher.jobs import to_claim, to_image, trained_job, write_secret


async def stuck_jobs(store: ObjectStore, address: str, count: int) -> list[str]:
    """More of them than a publisher pushes at once."""
    outputs = [to_image(f"{address}/team/{number}:v1") for number in range(count)]
    return [(await trained_job(store, output, name=f"stuck-{n}")).job_id for n, output in enumerate(outputs)]


async def test_a_registry_that_never_answers_holds_up_nobody_else(tmp_path: Path) -> None:
    reached = asyncio.Event()

    def hold(*_: object) -> Fault:
        reached.set()
        return Fault("silence")

    async with running(FakeRegistry(fault=hold)) as silent, running(FakeRegistry()) as other:
        bench = make_bench(tmp_path, insecure_registries=f"{silent.address},{other.address}", publish_at_once=1)
        write_secret(bench.settings.secrets_dir, other.address)
        publisher = bench.publisher()
        stuck = [
            asyncio.create_task(publisher.publish(job, 1)) for job in await stuck_jobs(bench.store, silent.address, 3)
        ]
        await reached.wait()
        async with asyncio.timeout(10):
            for output in (to_image(f"{other.address}/team/a:v1"), to_claim("claim")):
                record = await trained_job(bench.store, output, name="good")
                result = await publisher.publish(record.job_id, 1)
                assert result is not None
                assert result.state is State.SUCCEEDED
        assert not any(task.done() for task in stuck)
        # The limit holds: the others of that registry wait, their repositories were never asked for.
        assert len({line.split("/")[3] for line in silent.log}) == 1
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
