"""Golden messages: what was ever sent on a topic is read by this version, and means what it meant.

`schemas/examples/<topic>/<version>/` holds whole records. A field that stands in one of them stays, under its name and
with its value: fields are only ever added. Nobody regenerates these files to make a test pass.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas.admission import admit
from schemas.asyncapi import json_schema, message_models, types_on
from schemas.envelope import Envelope, decode, encode
from schemas.events import EVENT_TYPES
from schemas.topics import BY_NAME, DEAD_LETTERS, REQUESTS, TOPICS, short_type
from services.ingest.requests import decode_request, request_of

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
FILES = sorted(EXAMPLES.glob("*/*/*.json"))
EVENT_FILES = [file for file in FILES if json.loads(file.read_text())["headers"].get("ce_type")]


def load(file: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(file.read_text())
    return golden


def topic_of(file: Path) -> str:
    return f"{file.parents[1].name}.{file.parent.name}"


def headers_of(golden: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in golden["headers"].items()]


def envelope_of(golden: dict[str, Any]) -> Envelope:
    return decode(json.dumps(golden["value"]).encode(), headers_of(golden))


def missing(golden: object, now: object, path: str = "") -> list[str]:
    """The parts of `golden` that `now` has lost or has otherwise."""
    if isinstance(golden, dict) and isinstance(now, dict):
        return [lost for name, value in golden.items() for lost in missing(value, now.get(name), f"{path}/{name}")]
    if isinstance(golden, list) and isinstance(now, list) and len(golden) == len(now):
        pairs = enumerate(zip(golden, now, strict=True))
        return [lost for index, (old, new) in pairs for lost in missing(old, new, f"{path}/{index}")]
    return [] if golden == now else [f"{path}: {golden!r} became {now!r}"]


def test_every_topic_and_every_type_has_an_example() -> None:
    there = {(topic_of(file), file.stem) for file in FILES}
    wanted = {(topic.name, short) for topic in TOPICS for short in types_on(topic)}
    assert wanted <= there
    assert {topic for topic, _ in there} == set(BY_NAME)


@pytest.mark.parametrize("file", EVENT_FILES, ids=lambda file: f"{topic_of(file)}-{file.stem}")
def test_an_example_is_read_and_nothing_of_it_is_lost(file: Path) -> None:
    golden = load(file)
    envelope = envelope_of(golden)
    short = short_type(envelope.type)
    model = message_models()[short].model_validate(envelope.data)
    assert short in types_on(BY_NAME[topic_of(file)])
    assert missing(golden["value"], model.model_dump(mode="json", by_alias=True, exclude_none=True)) == []


@pytest.mark.parametrize("file", EVENT_FILES, ids=lambda file: f"{topic_of(file)}-{file.stem}")
def test_an_example_fits_its_json_schema(file: Path) -> None:
    golden = load(file)
    Draft202012Validator(json_schema(short_type(golden["headers"]["ce_type"]))).validate(golden["value"])


@pytest.mark.parametrize("file", EVENT_FILES, ids=lambda file: f"{topic_of(file)}-{file.stem}")
def test_headers_are_written_as_they_were_read(file: Path) -> None:
    golden = load(file)
    _, headers = encode(envelope_of(golden))
    assert headers == headers_of(golden)


@pytest.mark.parametrize("file", EVENT_FILES, ids=lambda file: f"{topic_of(file)}-{file.stem}")
def test_the_cloudevents_sdk_reads_an_example(file: Path) -> None:
    golden = load(file)
    message = KafkaMessage(dict(headers_of(golden)), golden["key"], json.dumps(golden["value"]).encode())
    event = from_binary(message, JSONFormat())
    assert event.get_id() == golden["headers"]["ce_id"]
    assert event.get_type() == golden["headers"]["ce_type"]
    assert event.get_data() == golden["value"]


@pytest.mark.parametrize("file", [file for file in FILES if topic_of(file) == BY_NAME["tuning.events.v1"].name])
def test_an_event_is_named_by_job_attempt_source_and_sequence(file: Path) -> None:
    golden = load(file)
    data, headers = golden["value"], golden["headers"]
    assert list(data)[:4] == ["jobId", "attempt", "sequence", "state"]
    assert headers["ce_id"] == f"{data['jobId']}:{data['attempt']}:{headers['ce_source']}:{data['sequence']}"
    assert headers["ce_subject"] == golden["key"] == data["jobId"]
    assert short_type(headers["ce_type"]) in EVENT_TYPES


@pytest.mark.parametrize(
    "file", [file for file in FILES if topic_of(file) == REQUESTS.name], ids=lambda file: file.stem
)
def test_an_example_request_is_accepted(file: Path) -> None:
    golden = load(file)
    value = json.dumps(golden["value"]).encode()
    request = request_of(decode_request(_record(value, headers_of(golden))))
    verdict = admit(request.workspace, config_maps=request.config_maps)
    assert request.fault is None
    assert verdict.problems == ()


def test_a_dead_letter_says_where_it_stood_and_why() -> None:
    for file in FILES:
        if topic_of(file) == DEAD_LETTERS.name:
            wanted = {f"lorabus_dlq_{name}" for name in ("topic", "partition", "offset", "reason", "service")}
            assert wanted <= load(file)["headers"].keys()


def _record(value: bytes, headers: list[tuple[str, bytes]]) -> ConsumerRecord:
    return ConsumerRecord(REQUESTS.name, 0, 0, 0, 0, None, value, None, -1, -1, headers)
