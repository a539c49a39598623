"""A request becomes a job: admitted, written once, told to everybody.

`spec.json` is what makes the job exist. The same request again, or any request for the same spec, finds it there and
sends the same events again, whatever became of the job.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from uuid import uuid4

import orjson

from schemas.admission import Verdict, admit
from schemas.admission.surroundings import Surroundings
from schemas.bundles import identity_of
from schemas.events.job import FieldProblem
from schemas.identity import identify, rejected_job_id
from schemas.records import OutboxRecord, SpecRecord
from schemas.workspace import ResolvedSpec
from services.common import telemetry
from services.common.object_store import ObjectStore
from services.ingest import events
from services.ingest.republish import ended, publication, without_image
from services.ingest.requests import Request
from services.ingest.spec_history import Latest, find, find_latest, write_once

Tell = Callable[[list[OutboxRecord], str], Awaitable[None]]
Note = Callable[[str, float], None]
MAX_SPEC_BYTES = 768 * 1024


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job's record as it lies in the store; `new` is false when it was there before."""

    record: SpecRecord
    new: bool = True

    @property
    def outcome(self) -> str:
        """What to count it as."""
        return "new" if self.new else "repeated"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why not, in full. Namespace and name are as given, right or wrong."""

    job_id: str
    namespace: str
    name: str
    problems: tuple[FieldProblem, ...]

    @property
    def outcome(self) -> str:
        """What to count it as."""
        return "rejected"


Answer = Accepted | Rejected


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Accepts requests.

    `tell(events, request id)` returns once the broker has them; `note(outcome, seconds)` is told of each answer.
    """

    store: ObjectStore
    surroundings: Surroundings
    tell: Tell
    clock: Callable[[], datetime]
    note: Note

    async def accept(self, request: Request) -> Answer:
        """Do it, and note how long it took."""
        started = perf_counter()
        answer = await self._accept(request)
        self.note(answer.outcome, perf_counter() - started)
        return answer

    async def _accept(self, request: Request) -> Answer:
        """Admit, write and tell. Raises `WorldError` while the store is away; asking again goes on where it stopped."""
        with telemetry.span("job.accept", request.traceparent, {"messaging.message.id": request.id}) as traceparent:
            # A name is new more often than not, and then its first spec is written without looking what was before.
            answer, latest = self._judge(request, None, traceparent), Latest(self.store)
            while isinstance(answer, Rejected) or not await latest.followed_by(answer.record):
                if isinstance(answer, Rejected) and latest.looked_up:
                    return await self._reject(answer, request, traceparent)
                latest = await self._latest(request)
                answer = self._judge(request, latest.record, traceparent)
            return await self._write(answer.record, request.id)

    async def again(self, job_id: str) -> Accepted | None:
        """Run an accepted spec once more, as a job of its own; None when there is no such job."""
        record = await find(self.store, job_id)
        if record is None:
            return None
        request_id = str(uuid4())
        with telemetry.span("job.accept", None, {"messaging.message.id": request_id}) as traceparent:
            new_id, _ = identify(record.spec, nonce=request_id)
            given = {"job_id": new_id, "rerun": request_id, "traceparent": traceparent}
            rerun = record.model_copy(update={**given, "accepted_at": _as_sent(self.clock())})
            while not await (await find_latest(self.store, rerun.spec.namespace, rerun.spec.name)).followed_by(rerun):
                pass
            return await self._write(rerun, request_id)

    async def publish(self, job_id: str) -> Accepted | None:
        """Publish once more what an ended job has trained; None when there is nothing to publish."""
        record = await find(self.store, job_id)
        if record is None:
            return None
        request_id = str(uuid4())
        with telemetry.span("job.accept", None, {"messaging.message.id": request_id}) as traceparent:
            found = await publication(self.store, record, ended, at=_as_sent(self.clock()), traceparent=traceparent)
            return None if found is None else await self._tell(*found, request_id)

    async def judge(self, request: Request) -> Answer:
        """Give what `accept` would answer, and write nothing."""
        return self._judge(request, (await self._latest(request)).record, telemetry.new_traceparent())

    async def _latest(self, request: Request) -> Latest:
        namespace, name = identity_of(request.workspace)
        return await find_latest(self.store, namespace, name)

    def _judge(self, request: Request, latest: SpecRecord | None, traceparent: str) -> Answer:
        if request.workspace is None:
            return _unreadable(request)
        verdict = self._admit(request, latest.spec if latest else None)
        if verdict.spec is None:
            return _rejected(request, verdict)
        size = len(orjson.dumps(verdict.spec.plain))
        if size > MAX_SPEC_BYTES:
            return _too_large(request, verdict, size)
        return Accepted(self._record(verdict, verdict.spec, request, traceparent))

    def _admit(self, request: Request, existing: ResolvedSpec | None) -> Verdict:
        around = self.surroundings
        return admit(
            request.workspace,
            config_maps=request.config_maps,
            find_config_map=around.find_config_map,
            existing=existing,
            secret_exists=around.secret_exists,
            node_auto_provisioning=around.node_auto_provisioning,
            source_allow=around.source_allow,
        )

    def _record(self, verdict: Verdict, spec: ResolvedSpec, request: Request, traceparent: str) -> SpecRecord:
        job_id, digest = identify(spec, nonce=request.rerun)
        return SpecRecord(
            job_id=job_id,
            spec_digest=digest,
            spec=spec,
            accepted_at=_as_sent(self.clock()),
            traceparent=traceparent,
            rerun=request.rerun,
            warnings=list(verdict.warnings),
        )

    async def _write(self, record: SpecRecord, request_id: str) -> Accepted:
        stored, new = await write_once(self.store, record)
        if not new:
            # It may have failed after the training: then a job of its own publishes what was trained.
            at, traceparent = record.accepted_at, record.traceparent
            found = await publication(self.store, stored, without_image, at=at, traceparent=traceparent)
            stored, new = found or (stored, new)
        return await self._tell(stored, new, request_id)

    async def _tell(self, record: SpecRecord, new: bool, request_id: str) -> Accepted:
        telemetry.set_attributes({"lorabus.job.id": record.job_id})
        await self.tell([events.accepted(record), events.queued(record)], request_id)
        return Accepted(record, new)

    async def _reject(self, answer: Rejected, request: Request, traceparent: str) -> Rejected:
        event = events.rejected(
            answer.job_id,
            answer.namespace,
            answer.name,
            answer.problems,
            time=request.received_at,
            traceparent=traceparent,
        )
        await self.tell([event], request.id)
        return answer


def _as_sent(time: datetime) -> datetime:
    """Cut to the milliseconds that events carry, so that spec, row and event agree."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _rejected(request: Request, verdict: Verdict) -> Rejected:
    problems = tuple(FieldProblem(path=problem.path, message=problem.message) for problem in verdict.problems)
    return Rejected(rejected_job_id(request.raw), verdict.namespace, verdict.name, problems)


def _too_large(request: Request, verdict: Verdict, size: int) -> Rejected:
    """The events that carry the spec must be as large as Kafka takes them."""
    message = f"resolved it has {size:,} bytes, more than {MAX_SPEC_BYTES:,}; name fewer or shorter URLs"
    problem = FieldProblem(path="tuning", message=message)
    return Rejected(rejected_job_id(request.raw), verdict.namespace, verdict.name, (problem,))


def _unreadable(request: Request) -> Rejected:
    identity = rejected_job_id(request.raw)
    namespace, name, _ = identity.split(".")
    return Rejected(identity, namespace, name, (request.fault,) if request.fault else ())
