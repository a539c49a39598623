"""The shapes of HTTP's bodies, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.events.job import TuningRequest
from schemas.jobs import JobRow
from services.ingest.http_problem import ProblemDetails


class JobPage(BaseModel):
    """Jobs from new to old."""

    jobs: list[JobRow]
    next: str | None = Field(default=None, description="Send it as `cursor` for the page after; null on the last.")


class FlatEvent(BaseModel):
    """One event; beside these fields stand those of its type (docs/asyncapi.json)."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="`<jobId>:<attempt>:<source>:<sequence>`; the same again when it is sent again.")
    type: str
    time: str


class JobEvents(BaseModel):
    """A job's events in their order."""

    events: list[FlatEvent]


_WORKSPACE = {"type": "object", "description": "A KAITO Workspace (kaito.sh/v1alpha1 or v1beta1) with `tuning`."}
WORKSPACE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {
                "schema": {"type": "string", "description": "Workspaces, and the ConfigMaps that they name."}
            },
            "application/json": {"schema": {"oneOf": [_WORKSPACE, TuningRequest.model_json_schema()]}},
        },
    }
}

_SAID: dict[int, str] = {
    401: "A token is needed.",
    404: "There is no such job.",
    409: "The job is in a state that does not allow it.",
    413: "The body is too large.",
    415: "The body is neither YAML nor JSON.",
    422: "The Workspace or a parameter is not valid; `problems` has every reason.",
    503: "The object store or Kafka is away; try again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the errors of a route."""
    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {
        status: {
            "description": _SAID[status],
            "model": ProblemDetails,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }
