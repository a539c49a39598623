"""The AsyncAPI 3.0 document and the JSON Schemas of everything that travels, made from the tables. Pure."""

from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from schemas.events import EVENT_TYPES
from schemas.events.job import JobCancel, TuningRequest
from schemas.jobs import JobRow
from schemas.topics import TOPICS, Topic, full_type

_TRACEPARENT = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_SCHEMAS = "#/components/schemas/"
_HEADERS: Mapping[str, tuple[str, bool]] = {
    "ce_specversion": ("Always 1.0.", True),
    "ce_id": ("Names the event; the same again when it is sent again.", True),
    "ce_type": ("`lorabus.<type>.v1`.", True),
    "ce_source": ("ingest, trainer or publisher; a producer's own name on requests and commands.", True),
    "ce_time": ("RFC 3339, UTC.", False),
    "ce_subject": ("The job's id.", False),
    "ce_requestid": ("On answers: `ce_id` of the request.", False),
    "traceparent": ("W3C trace context; one trace for each job.", False),
    "content-type": ("application/json", False),
}


@cache
def message_models() -> Mapping[str, type[BaseModel]]:
    """Every type that travels on a topic, and the model of its data."""
    return {
        "tuning.request": TuningRequest,
        "job.cancel": JobCancel,
        "job.row": JobRow,
        **EVENT_TYPES,
    }


def types_on(topic: Topic) -> tuple[str, ...]:
    """The types on a topic; `*` in the table means all of `schemas.events`."""
    return tuple(EVENT_TYPES) if topic.types == ("*",) else topic.types


def json_schema(short: str) -> dict[str, object]:
    """The schema of a type's data, as it is on the wire."""
    schema = message_models()[short].model_json_schema(by_alias=True, mode=_mode(short))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": full_type(short)}


@cache
def asyncapi() -> dict[str, object]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lorabus",
            "version": "1",
            "description": "Fine-tuning as an event-driven service: requests in, events and adapters out. "
            "CloudEvents 1.0 in Kafka's binary content mode, JSON data, keyed by job id.",
        },
        "defaultContentType": "application/json",
        "channels": {_channel_name(topic): _channel(topic) for topic in TOPICS},
        "operations": _operations(),
        "components": {
            "messages": {short: _message(short) for short in message_models()},
            "messageTraits": {"cloudevent": {"headers": _headers()}},
            "schemas": _schemas(),
        },
    }


def _channel_name(topic: Topic) -> str:
    return topic.name.removesuffix(".v1").removeprefix("tuning.")


def _channel(topic: Topic) -> dict[str, object]:
    return {
        "address": topic.name,
        "description": f"{topic.purpose} Written by {', '.join(topic.writers)}; read by {', '.join(topic.readers)}.",
        "messages": {short: {"$ref": f"#/components/messages/{short}"} for short in types_on(topic)},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.policy],
                    **({"retention.ms": topic.retention_ms} if topic.policy == "delete" else {}),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> dict[str, object]:
    """What each side does with each topic; `send` and `receive` are from the service's point of view."""
    operations: dict[str, object] = {}
    for topic in TOPICS:
        channel = {"$ref": f"#/channels/{_channel_name(topic)}"}
        for action, who in (("send", topic.writers), ("receive", topic.readers)):
            for name in who:
                operations[f"{name}.{action}.{_channel_name(topic)}"] = {
                    "action": action,
                    "channel": channel,
                    "title": f"{name} {'writes' if action == 'send' else 'reads'} {topic.name}",
                }
    return operations


def _message(short: str) -> dict[str, object]:
    model = message_models()[short]
    return {
        "name": full_type(short),
        "title": short,
        "summary": (model.__doc__ or "").strip().split("\n")[0],
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"$ref": f"{_SCHEMAS}{model.__name__}"},
    }


def _schemas() -> dict[str, object]:
    models = [(model, _mode(short)) for short, model in message_models().items()]
    _, made = models_json_schema(models, by_alias=True, ref_template=f"{_SCHEMAS}{{model}}")
    return dict(made["$defs"])


def _mode(short: str) -> JsonSchemaMode:
    """What others send is described as it may come, what we send as it goes out."""
    return "validation" if short in ("tuning.request", "job.cancel") else "serialization"


def _headers() -> dict[str, object]:
    properties: dict[str, object] = {
        name: {"type": "string", "description": said, **({"pattern": _TRACEPARENT} if name == "traceparent" else {})}
        for name, (said, _) in _HEADERS.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name, (_, needed) in _HEADERS.items() if needed],
    }
