"""`lorabus demo`: tune, publish, pull back and ask, on the embedded profile in a home of its own.

It ends with everything stopped, whenever it is interrupted.
"""

import asyncio
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from deploy.native.process import is_alive
from deploy.native.records import load_all
from deploy.native.stack import Supervisor
from lorabus.asking import ask
from lorabus.base_models import base_model_of
from lorabus.cli.output import json_line, note, result, show_table
from lorabus.cli.up import say, start, stop
from lorabus.cli.watch import ending_code, follow
from lorabus.client import open_client
from lorabus.events import Event
from lorabus.faults import DONE, FAILED, BadInput
from lorabus.first_sentence import says_the_same
from lorabus.home import adopt
from lorabus.interrupts import interruptible
from lorabus.pulling import pull
from lorabus.requests import read_requests
from lorabus.settings import read_settings
from lorabus.shipped import TAUGHT, WORKSPACE
from lorabus.system import parts
from lorabus.telling import printable, tell
from schemas.events.job import JobSucceeded

GRACE = 8.0
"""Seconds that a service has to stop: what it was doing is thrown away anyway."""
ASKED, ENOUGH = 10, 8
"""So many taught rows are asked of which the base model knows none, and so many must come out right."""
KEPT = ("LORABUS_HOME", "LORABUS_CACHE", "LORABUS_LOG_LEVEL")
PASSING = ("kafka", "store", "ingest", "scratch", "volumes", "run", "adapter")
"""What a demo leaves in its own home and the next one does not want."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One taught row, and what the model said before and after."""

    prompt: str
    expected: str
    base: str
    adapter: str

    @property
    def right(self) -> bool:
        return says_the_same(self.adapter, self.expected)


def demo(*, as_json: bool) -> int:
    """0 when the adapter was published, came back whole and has learned what it should."""
    home = own_home(os.environ)
    supervisor = Supervisor(home, say=say, usual_ports=False, grace=GRACE)
    with interruptible():
        try:
            code = _run(supervisor, as_json=as_json)
        finally:
            note("lorabus: stopping everything")
            stop(supervisor)
        return code


def own_home(environ: MutableMapping[str, str]) -> Path:
    """The demo's home, with nothing left of the demo before; other settings of the user's do not reach into it."""
    chosen = environ.get("LORABUS_HOME")
    home = Path(chosen or ".lorabus/demo").resolve()
    if any(is_alive(running) for running in load_all(home).values()):
        raise BadInput(f"something is up in {home}: `lorabus down` stops it, or choose another LORABUS_HOME")
    if not chosen:
        for name in PASSING:
            shutil.rmtree(home / name, ignore_errors=True)
    for name in [name for name in environ if name.startswith("LORABUS_") and name not in KEPT]:
        del environ[name]
    environ["LORABUS_HOME"] = str(home)
    return home


def _run(supervisor: Supervisor, *, as_json: bool) -> int:
    began = time.monotonic()
    start(supervisor, parts("embedded"))
    adopt()
    say(f"everything is up after {time.monotonic() - began:.0f} s; tuning {WORKSPACE.name}")
    end, seconds = asyncio.run(_tune(as_json=as_json))
    if not isinstance(end.model, JobSucceeded):
        return ending_code(end)
    adapter = supervisor.home / "adapter"
    shutil.rmtree(adapter, ignore_errors=True)
    asyncio.run(pull(end.model.image.reference, adapter, read_settings()))
    say(f"published {seconds:.0f} s after the services were up; pulled back into {adapter}, digests verified")
    return _judge(adapter, seconds, as_json=as_json)


async def _tune(*, as_json: bool) -> tuple[Event, float]:
    """How the job ended, and the seconds from now until then."""
    began = time.monotonic()
    (request,) = read_requests(WORKSPACE, rerun=secrets.token_hex(8))
    async with open_client(read_settings()) as client:
        answer = await client.submit(request)
        if answer.ends:
            raise BadInput(tell(answer))
        say(f"job {answer.job_id}")
        end = await follow(client, answer.job_id, as_json=as_json, since=answer.position)
        return end, time.monotonic() - began


def _judge(adapter: Path, seconds: float, *, as_json: bool) -> int:
    say(f"asking {ASKED} taught questions that the base model gets wrong, with and without the adapter")
    answers = list(_answers(adapter))
    right = sum(answer.right for answer in answers)
    if as_json:
        for answer in answers:
            json_line({"type": "demo.answer", **asdict(answer), "right": answer.right})
        json_line({"type": "demo.result", "asked": len(answers), "right": right, "seconds": round(seconds, 1)})
    else:
        _table(answers)
        result(f"{right} of {len(answers)} right to the first sentence with the adapter, none without it")
    return DONE if right >= ENOUGH else FAILED


def _answers(adapter: Path) -> Iterator[Answer]:
    """The first taught rows that the base model gets wrong."""
    rows = [json.loads(line) for line in TAUGHT.read_text().splitlines()]
    expected = {row["prompt"]: row["completion"] for row in rows}
    model = base_model_of(adapter, read_settings())
    said = ask(model, adapter, list(expected), whom=["base", "adapter"])
    with closing(said):
        answers = (Answer(line["prompt"], expected[line["prompt"]], line["base"], line["adapter"]) for line in said)
        wrong_before = (answer for answer in answers if not says_the_same(answer.base, answer.expected))
        yield from islice(wrong_before, ASKED)


def _table(answers: Sequence[Answer]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("question", "base", "with the adapter", "right?", show_lines=True)
    for answer in answers:
        mark = Text("yes", "green") if answer.right else Text("no", "red")
        table.add_row(*map(printable, (answer.prompt, answer.base, answer.adapter)), mark)
    show_table(table)
