"""Figures of several services become one view; what others wrote is shown without its control characters."""

from datetime import UTC, datetime
from io import StringIO

from prometheus_client import generate_latest
from rich.console import Console

from lorabus.cli.top import page
from lorabus.overview import Figures, PartState, Snapshot, figures
from schemas.events import State
from schemas.jobs import Failure, JobRow, Progress
from services.common.errors import Unreachable
from services.ingest.metrics import Metrics as IngestMetrics
from services.trainer.metrics import Metrics as TrainerMetrics

NOW = datetime.now(UTC)


def row(name: str, state: State, **fields: object) -> JobRow:
    known = {"job_id": f"default.{name}.0123456789ab", "state": state, "kaito_state": state.kaito}
    return JobRow.model_validate({**known, "created_at": NOW, "updated_at": NOW, **fields})


def shown(snapshot: Snapshot) -> str:
    out = StringIO()
    Console(width=160, file=out).print(page(snapshot))
    return out.getvalue()


def test_figures_of_all_services_are_added_up() -> None:
    ingest, trainer = IngestMetrics(), TrainerMetrics()
    ingest.scrape.jobs = {"pending": (3, (NOW).isoformat()), "succeeded": (7, NOW.isoformat())}
    ingest.edges.scrape.lag, ingest.edges.scrape.dead_letters = {"tuning.events.v1": 5, "tuning.requests.v1": 0}, 2
    trainer.edges.scrape.lag, trainer.edges.scrape.dead_letters = {"tuning.jobs.v1": 1}, 1
    found = figures([generate_latest(one.registry).decode() for one in (ingest, trainer)])
    assert {state: number for state, number in found.jobs.items() if number} == {"pending": 3, "succeeded": 7}
    assert found.lag == {"tuning.events.v1": 5, "tuning.requests.v1": 0, "tuning.jobs.v1": 1}
    assert found.dead_letters == 3
    assert figures(["", ""]) == Figures()


def test_the_page_has_parts_queue_running_jobs_and_ends() -> None:
    progress = Progress(step=50, total_steps=200, loss=1.25, tokens_per_second=1234.5, eta_seconds=90)
    text = shown(
        Snapshot(
            [PartState("kafka", "127.0.0.1:1", up=True), PartState("trainer", "127.0.0.1:2", up=False)],
            Figures({"pending": 2}, 75.0, 3, {"tuning.events.v1": 4}),
            [row("a", State.RUNNING, attempt=2, progress=progress), row("b", State.STAGING, attempt=1)],
            [row("c", State.FAILED, failure=Failure(reason="OutOfMemory", message="no"))],
        )
    )
    for words in (
        *("● kafka", "○ trainer is down", "2 waiting, the oldest for 1:15", "2 running", "tuning.events.v1 4"),
        *("3 dead letters", "default.a.0123456789ab", "50/200", "1.250", "1,234", "1:30", "OutOfMemory"),
    ):
        assert words in text


def test_what_others_wrote_cannot_command_the_terminal() -> None:
    text = shown(Snapshot([], ended=[row("d", State.FAILED, failure=Failure(reason="\x1b[2J\x07", message="no"))]))
    assert "\x1b[2J" not in text
    assert "\\x1b" in text


def test_without_ingest_the_page_says_where_it_should_be() -> None:
    problem = Unreachable("ingest", "http://127.0.0.1:9", "ClientConnectorError")
    assert "http://127.0.0.1:9" in shown(Snapshot([PartState("ingest", "127.0.0.1:9", up=False)], problem=problem))
