"""Proves the main path as a user of the embedded default takes it, through nothing but the installed command.

One job of four steps is submitted and followed; what was printed, what stands on the status topic, what can be pulled,
and what PEFT makes of it are looked at one after the other. Then the same request again, again with `--rerun`, a
cancel in mid-training, and a request that is wrong in several ways.
"""

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e import requests
from tests.e2e.collector import Collector, Span
from tests.e2e.status_topic import Record
from tests.e2e.system import PATIENCE, Done, Job, Line, System, digests, numbers_by_source, until
from tests.unit.docs.test_traces import documented, rows

BEGIN = ["job.accepted", "job.queued", "job.claimed", "dataset.staging", "dataset.staged", "dataset.checked"]
TRAINING = ["training.started", "training.progress", "training.evaluated", "adapter.trained"]
SPANS = {
    "lorabus.submit",
    "send tuning.requests.v1",
    "process tuning.requests.v1",
    "job.accept",
    "job.wait",
    "job.claim",
    "job.attempt",
    "model.stage",
    "dataset.stage",
    "dataset.stage.source",
    "dataset.check",
    "training",
    "model.load",
    "training.window",
    "training.evaluate",
    "checkpoint.store",
    "adapter.store",
    "send tuning.adapters.v1",
    "process tuning.adapters.v1",
    "image.push",
    "image.write",
    "job.end",
}
END = ["image.pushing", "image.published", "job.succeeded"]


@pytest.fixture(scope="module")
def job(embedded: System, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    # One checkpoint, at the last step: its event stands at one place then.
    return embedded.succeed(requests.write(folder, *requests.documents("main", save_strategy="steps", save_steps=4)))


@pytest.fixture(scope="module")
def adapter(embedded: System, job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job's adapter, pulled."""
    folder = tmp_path_factory.mktemp("adapter")
    (pulled,) = embedded.good("pull", job.id, "-o", str(folder), "--json").lines
    assert pulled["digest"] == job.image["digest"]
    return folder


@pytest.fixture
def records(embedded: System, job: Job) -> list[Record]:
    """The job's records on the status topic."""
    with embedded.log("tuning.events.v1") as log:
        log.all()
        return log.events(job.id)


def types(events: list[Line]) -> list[str]:
    return [event["type"] for event in events]


def without_repeats(names: list[str]) -> list[str]:
    return [name for name, _ in itertools.groupby(names)]


def test_every_step_is_shown_in_order(job: Job) -> None:
    # The last checkpoint travels to the store while the evaluation runs: the two have no order.
    assert types(job.events).count("checkpoint.saved") == 1
    rest = [name for name in types(job.events) if name != "checkpoint.saved"]
    assert without_repeats(rest) == BEGIN + TRAINING + END
    states = without_repeats([event["state"] for event in job.events])
    assert states == ["pending", "staging", "running", "publishing", "succeeded"]
    assert job.event("training.started")["totalSteps"] == 4
    assert job.image["digest"] == job.event("image.published")["digest"]


def test_the_status_topic_has_each_event_once_numbered_without_gaps(job: Job, records: list[Record]) -> None:
    ids = [record.header("ce_id") for record in records]
    assert len(set(ids)) == len(ids)
    numbers = numbers_by_source(records)
    assert set(numbers) == {("0", "ingest"), ("1", "trainer"), ("1", "publisher")}
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values()), numbers
    printed = [(event["type"], event["attempt"], event["sequence"]) for event in job.events]
    assert [(record.type, record.data["attempt"], record.data["sequence"]) for record in records] == printed


def test_each_record_is_a_cloud_event_about_its_job_in_one_trace(job: Job, records: list[Record]) -> None:
    for record in records:
        data = record.data
        assert record.key == record.header("ce_subject") == data["jobId"] == job.id
        assert record.header("ce_id") == f"{job.id}:{data['attempt']}:{record.header('ce_source')}:{data['sequence']}"
        assert (record.header("ce_specversion"), record.header("content-type")) == ("1.0", "application/json")
        assert data["kaitoState"] in {"Pending", "Running", "Succeeded"}
    assert {record.header("traceparent").split("-")[1] for record in records} == {job.events[0]["traceId"]}


def test_its_trace_is_one_tree_of_what_the_documentation_names(job: Job, collector: Collector) -> None:
    """From OTLP: one root, every parent there, and no span, kind or attribute that docs/traces.md does not have."""
    trace = job.events[0]["traceId"]

    def whole() -> list[Span] | None:
        spans = collector.trace(trace)
        complete = {span.parent for span in spans} <= {"", *(span.id for span in spans)}
        return spans if complete and {span.name for span in spans} >= SPANS else None

    spans = until(whole, f"{SPANS} in {collector.endpoint}")
    assert [(span.service, span.name) for span in spans if not span.parent] == [("lorabus-cli", "lorabus.submit")]
    kinds = {re.sub(r"\{.*\}", "", name): row[1] for row in rows("Spans") for name in re.findall(r"`([^`]+)`", row[0])}
    attributes = documented("Attributes")
    for span in spans:
        documented_as = next(name for name in kinds if span.name.startswith(name))
        assert span.kind == kinds[documented_as], span
        assert span.attributes.keys() <= attributes, span
        assert span.start <= span.end
    by_name = {span.name: span for span in spans}
    assert by_name["job.attempt"].attributes["lorabus.job.id"] == job.id
    assert by_name["process tuning.adapters.v1"].attributes["messaging.system"] == "kafka"
    parents = {
        "process tuning.adapters.v1": "send tuning.adapters.v1",
        "dataset.stage.source": "dataset.stage",
        "model.load": "training",
        "checkpoint.store": "training",
    }
    assert {name: by_name[name].parent for name in parents} == {
        name: by_name[parent].id for name, parent in parents.items()
    }


def test_every_log_line_about_the_job_carries_its_trace(embedded: System, job: Job) -> None:
    logs = [embedded.home / "logs" / f"{name}.log" for name in ("ingest", "trainer", "publisher")]
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines() if line.startswith("{")]
    about = [line for line in lines if line.get("job_id") == job.id]
    assert {line["service"] for line in about} >= {"trainer", "publisher"}
    assert {line.get("trace_id") for line in about} == {job.events[0]["traceId"]}


def test_pull_gives_the_trained_files_byte_for_byte(job: Job, adapter: Path) -> None:
    assert digests(adapter) == job.trained


def test_pull_refuses_an_image_with_a_flipped_byte(embedded: System, job: Job, tmp_path: Path) -> None:
    layout = job.image["reference"].removeprefix("oci:").removesuffix(":latest")
    copy = shutil.copytree(layout, tmp_path / "copy")
    layer = max((copy / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    damaged = bytearray(layer.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    layer.write_bytes(damaged)
    done = embedded.run("pull", f"oci:{copy}", "-o", str(tmp_path / "out"))
    assert done.code == 1
    assert layer.name in done.err
    assert list((tmp_path / "out").iterdir()) == []


def test_peft_loads_what_was_pulled_and_it_changes_the_model(embedded: System, adapter: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = embedded.home / "models" / "tiny"
    inputs = AutoTokenizer.from_pretrained(folder)("What does `builtins.abs` do?", return_tensors="pt")
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        before = base(**inputs).logits
        adapted = PeftModel.from_pretrained(base, adapter).eval()
        after = adapted(**inputs).logits
        with adapted.disable_adapter():
            off = adapted(**inputs).logits
    assert torch.equal(before, off)
    assert not torch.allclose(before, after, atol=1e-3)


def test_the_same_request_again_is_the_same_job_and_does_nothing_twice(
    embedded: System, job: Job, records: list[Record]
) -> None:
    again = embedded.succeed(job.request)
    assert {event["jobId"] for event in again.events} == {job.id}
    assert again.image == job.image
    with embedded.log("tuning.events.v1", "tuning.adapters.v1") as log:
        log.all()
        assert len(log.on("tuning.adapters.v1", job.id)) == 1
        first = {record.header("ce_id"): record.value for record in records}
        assert {record.header("ce_id"): record.value for record in log.events(job.id)} == first


def test_rerun_makes_a_new_job_with_the_same_adapter(embedded: System, job: Job) -> None:
    again = embedded.succeed(job.request, "--rerun")
    assert again.id != job.id
    assert again.events[0]["specDigest"] == job.events[0]["specDigest"]
    assert again.event("dataset.staged")["reused"]
    assert again.image["digest"] == job.image["digest"]


def test_jobs_and_show_tell_what_was_watched(embedded: System, job: Job) -> None:
    rows = embedded.good("jobs", "--state", "succeeded", "--json").lines
    row = next(row for row in rows if row["jobId"] == job.id)
    assert (row["state"], row["kaitoState"], row["attempt"]) == ("succeeded", "Succeeded", 1)
    assert row["image"] == job.image
    shown = embedded.job(job.id)
    assert types(shown["events"]) == types(job.events)
    assert {name: shown[name] for name in row} == row
    assert job.id in embedded.good("jobs").out
    assert job.image["digest"] in embedded.good("show", job.id).out


def test_a_running_job_is_cancelled_and_its_watcher_told(embedded: System, tmp_path: Path) -> None:
    request = requests.write(tmp_path, *requests.documents("cancelled", max_steps=requests.LONG))
    (accepted,) = embedded.good("submit", request, "--json").lines
    job_id = accepted["jobId"]
    with embedded.running("watch", job_id, "--json") as watching:
        assert watching.stdout is not None
        seen = [json.loads(next(watching.stdout))]
        while seen[-1]["type"] != "training.progress":
            seen.append(json.loads(next(watching.stdout)))
        assert embedded.run("cancel", job_id).code == 0
        out, _ = watching.communicate(timeout=PATIENCE)
        assert watching.returncode == 4
    after = types(seen + [json.loads(line) for line in out.splitlines()])
    assert after[-1] == "job.cancelled"
    assert "job.cancelling" in after
    assert "adapter.trained" not in after
    assert embedded.run("watch", job_id).code == 4
    assert embedded.run("pull", job_id, "-o", str(tmp_path / "out")).code == 1


def test_a_wrong_request_is_rejected_with_all_of_its_problems(embedded: System, tmp_path: Path) -> None:
    workspace, config_map = requests.documents("wrong", preset="tinny", learning_rate="fast")
    workspace["tuning"]["method"] = "full"
    workspace["tuning"]["output"] = {"image": "nowhere", "imagePushSecret": "absent"}
    request = requests.write(tmp_path, workspace, config_map)

    def told(done: Done, words: str) -> None:
        assert done.code == 1
        missing = [word for word in ("tinny", "tiny", "full", "absent", "fast") if word not in words]
        assert not missing, f"{missing} not in {words}"

    printed = embedded.run("submit", request, "--wait")
    told(printed, printed.err)
    as_json = embedded.run("submit", request, "--wait", "--json")
    told(as_json, as_json.out)
    (rejected,) = as_json.lines
    assert (rejected["type"], rejected["state"]) == ("job.rejected", "rejected")
    assert {"tuning.preset.name", "tuning.method"} <= {problem["path"] for problem in rejected["problems"]}
    assert embedded.run("watch", rejected["jobId"]).code == 1
