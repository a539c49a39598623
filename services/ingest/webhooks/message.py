"""A record of the status topic as it is sent to an endpoint. Pure.

The body is the event in CloudEvents' structured mode: its attributes and its data in one JSON object.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import orjson
from aiokafka import ConsumerRecord

from schemas.envelope import Envelope, EnvelopeError, decode, encode
from schemas.identity import is_job_id
from schemas.topics import short_type
from services.ingest.webhooks.endpoints import Endpoint

CONTENT_TYPE = "application/cloudevents+json"
_REST_OF_ID = re.compile(r":\d{1,9}:[a-z]{1,40}:\d{1,12}")
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Message:
    """One event. `born` is when Kafka got it, in seconds since 1970."""

    id: str
    type: str
    job_id: str
    time: datetime
    born: float
    body: bytes
    traceparent: str | None


def message_of(record: ConsumerRecord) -> Message | None:
    """Give the event; None for what is none of ours, for anybody may write to a topic.

    The id goes into a header and into what is signed, so only the form that our events have is let through.
    """
    try:
        envelope = decode(record.value, record.headers)
    except EnvelopeError:
        return None
    job_id = (envelope.data or {}).get("jobId")
    if not isinstance(job_id, str) or not is_job_id(job_id) or job_id.encode() != record.key:
        return None
    if not envelope.id.startswith(job_id) or not _REST_OF_ID.fullmatch(envelope.id[len(job_id) :]):
        return None
    return Message(
        id=envelope.id,
        type=short_type(envelope.type),
        job_id=job_id,
        time=envelope.time,
        born=record.timestamp / 1000,
        body=orjson.dumps(structured(envelope)),
        traceparent=envelope.traceparent,
    )


def structured(envelope: Envelope) -> dict[str, object]:
    """Give the event as one object (CloudEvents 1.0.2, JSON format, section 3)."""
    attributes = {name.removeprefix("ce_"): text.decode() for name, text in encode(envelope)[1]}
    attributes["datacontenttype"] = attributes.pop("content-type")
    named = {name: text for name, text in attributes.items() if _ATTRIBUTE.fullmatch(name)}
    return {**named, "data": envelope.data}


def wants(endpoint: Endpoint, message: Message) -> bool:
    """Tell whether the endpoint asked for this event."""
    return (
        (not endpoint.types or message.type in endpoint.types)
        and (not endpoint.namespaces or message.job_id.partition(".")[0] in endpoint.namespaces)
        and (endpoint.since is None or message.time >= endpoint.since)
    )
