"""Every example of docs/subscribe.md is run as it stands: a job is submitted and cancelled while all of them follow it.

A real Kafka and an ingest in a process of its own; what each example prints is the life of that job.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from deploy.native.process import free_port
from services.common.kafka.topics import apply_topics
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.e2e.status_topic import Log
from tests.e2e.system import until
from tests.integration.services.ingest.harness import settings_for
from tests.integration.services.ingest.process import process, ready
from tests.integration.services.ingest.receiver import SECRET

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "subscribe"
LIFE = {
    "job.accepted": "pending",
    "job.queued": "pending",
    "job.cancelling": "cancelling",
    "job.cancelled": "cancelled",
}
SHORT = [f"{kind} {state}" for kind, state in LIFE.items()]
FULL = [f"lorabus.{kind}.v1 {state}" for kind, state in LIFE.items()]
FOLLOWERS = ("with_aiokafka.py", "with_faststream.py", "with_confluent.py", "with_lorabus.py", "with_curl.sh")
RECEIVER = "webhook_receiver.py"
NAMESPACE = "subscribers"


@dataclass(frozen=True)
class Running:
    """A running ingest, and where examples write; `env` is that of a user, `hook` where the example receives."""

    address: str
    folder: Path
    env: dict[str, str]
    hook: str

    def output(self, example: str) -> list[str]:
        return (self.folder / example).read_text().splitlines()

    def post(self, path: str, body: bytes = b"") -> str:
        request = Request(f"{self.address}{path}", body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310
            return str(json.loads(answer.read())["jobId"])

    @contextmanager
    def started(self, example: str, *words: str) -> "Iterator[subprocess.Popen[bytes]]":
        """The example beside the test, printing into a file of its own name."""
        program = sys.executable if example.endswith(".py") else "sh"
        with (self.folder / example).open("wb") as out, (self.folder / f"{example}.err").open("wb") as err:
            command = [program, str(EXAMPLES / example), *words]
            running = subprocess.Popen(command, stdout=out, stderr=err, env=self.env, cwd=ROOT)
            try:
                yield running
            finally:
                running.kill()
                running.wait()

    def run(self, example: str, *words: str) -> list[str]:
        """The example to its end."""
        with self.started(example, *words) as running:
            assert running.wait(60) == 0, (self.folder / f"{example}.err").read_text()
        return self.output(example)


@pytest.fixture(scope="module")
def running(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home, port = tmp_path_factory.mktemp("subscribe"), free_port()
    own = settings_for(kafka_bootstrap, home)
    asyncio.run(apply_topics(own))
    secret = home / "secrets" / "hook" / "webhook-secret"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    own = own.model_copy(update={"webhooks_file": _webhooks(own, port), "source_allow": ("127.0.0.1",)})
    bare = {name: text for name, text in os.environ.items() if not name.startswith(("LORABUS_", "OTEL_"))}
    with process(own) as (_, address):
        asyncio.run(ready(address))
        env = {**bare, "LORABUS_KAFKA": own.kafka, "LORABUS_HTTP_ADDR": address.removeprefix("http://")}
        found = Running(address, tmp_path_factory.mktemp("output"), env, f"http://127.0.0.1:{port}/")
        with found.started(RECEIVER, str(secret), str(port)):
            yield found


@pytest.fixture(scope="module")
def job(running: Running) -> str:
    """The id of a job that everybody has followed to its end, from before it was cancelled."""
    job = running.post("/v1/jobs", json.dumps(_document()).encode())
    with ExitStack() as stack:
        followers = {example: stack.enter_context(running.started(example, job)) for example in FOLLOWERS}
        for example in (*FOLLOWERS, RECEIVER):
            until(lambda example=example: any("job.queued" in line for line in running.output(example)), example)  # type: ignore[misc]
        running.post(f"/v1/jobs/{job}/cancel")
        for example, follower in followers.items():
            assert follower.wait(60) == 0, (running.folder / f"{example}.err").read_text()
    until(lambda: len(running.output(RECEIVER)) == len(LIFE), "the webhooks")
    return job


@pytest.mark.parametrize(
    ("example", "printed"),
    [
        ("with_aiokafka.py", FULL),
        ("with_faststream.py", FULL),
        ("with_confluent.py", FULL),
        ("with_lorabus.py", SHORT),
        (RECEIVER, FULL),
    ],
)
def test_an_example_prints_the_jobs_life(running: Running, job: str, example: str, printed: list[str]) -> None:
    # FastStream logs to stdout as well.
    assert [line for line in running.output(example) if "job." in line.split()[0]] == printed


def test_curl_shows_the_stream_and_goes_on_after_an_event(running: Running, job: str) -> None:
    assert [event["type"] for event in _data(running.output("with_curl.sh"))] == list(LIFE)
    later = _data(running.run("with_curl.sh", job, f"{job}:0:ingest:2"))
    assert [event["type"] for event in later] == list(LIFE)[2:]


def test_kcat_prints_what_has_happened(running: Running, job: str) -> None:
    records = [line.split("\t") for line in running.run("with_kcat.sh", job)]
    assert [key for key, _, _ in records] == [job] * len(LIFE)
    assert [f"ce_type=lorabus.{kind}.v1" in headers for kind, (_, headers, _) in zip(LIFE, records, strict=True)]
    assert [json.loads(value)["state"] for _, _, value in records] == list(LIFE.values())


def test_the_cloudevents_sdk_reads_the_records(running: Running, job: str) -> None:
    with Log(running.env["LORABUS_KAFKA"], "tuning.events.v1") as log:
        log.all()
        records = log.events(job)
    events = [from_binary(KafkaMessage(record.headers, record.key, record.value), JSONFormat()) for record in records]
    assert [event.get_type() for event in events] == [f"lorabus.{kind}.v1" for kind in LIFE]
    assert [event.get_id() for event in events] == [f"{job}:0:ingest:{number + 1}" for number in range(len(LIFE))]
    assert {event.get_subject() for event in events} == {job}
    assert [event.get_data() for event in events] == [record.data for record in records]


@pytest.mark.parametrize("headers", [{}, {"webhook-id": "x", "webhook-timestamp": "0", "webhook-signature": "v1"}])
def test_the_receiver_takes_nothing_that_is_not_signed(running: Running, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPError, match="401"):
        urlopen(Request(running.hook, b"{}", headers))  # noqa: S310


def _document() -> dict[str, object]:
    document = workspace("followed")
    document["metadata"]["namespace"] = NAMESPACE
    return document


def _webhooks(own: IngestSettings, port: int) -> Path:
    """The operator's list with the receiver of the example in it."""
    entry = {"name": f"example-{port}", "url": f"http://127.0.0.1:{port}/", "secret": "hook", "namespaces": [NAMESPACE]}
    file = own.home / "webhooks.yaml"
    file.write_text(yaml.safe_dump([entry]))
    return file


def _data(lines: list[str]) -> list[dict[str, str]]:
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
