"""The pipeline as a table: every topic once, with its purpose, key, writers, readers and settings.

`lorabus topics apply` creates the topics from here, AsyncAPI is generated from here, and every service names
its topics by these constants.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

DAY_MS = 24 * 60 * 60 * 1000
PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `types` are its event types without prefix and version; ("*",) means those of `schemas.events`."""

    name: str
    purpose: str
    policy: Literal["delete", "compact"]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    types: tuple[str, ...]
    partitions: int = PARTITIONS
    retention_ms: int = 7 * DAY_MS
    config: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Give the broker's topic configuration."""
        if self.policy == "compact":
            return {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", **self.config}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), **self.config}


REQUESTS = Topic(
    name="tuning.requests.v1",
    purpose="Asks for a tuning job: a Workspace with its ConfigMaps. The key is optional.",
    policy="delete",
    writers=("users", "ingest"),
    readers=("ingest",),
    types=("tuning.request",),
)
COMMANDS = Topic(
    name="tuning.commands.v1",
    purpose="Asks something of a job that exists: cancel it.",
    policy="delete",
    writers=("users", "ingest"),
    readers=("ingest",),
    types=("job.cancel",),
)
JOBS = Topic(
    name="tuning.jobs.v1",
    purpose="The newest state of every job, one row a job: the trainers' queue and the source of read models.",
    policy="compact",
    writers=("ingest",),
    readers=("trainer", "ingest", "users"),
    types=("job.row",),
)
ADAPTERS = Topic(
    name="tuning.adapters.v1",
    purpose="A trained adapter lies complete in the object store and waits to be published.",
    policy="delete",
    writers=("trainer",),
    readers=("publisher",),
    types=("adapter.trained",),
)
EVENTS = Topic(
    name="tuning.events.v1",
    purpose="The status topic: everything that happened to a job, in the order of its partition.",
    policy="delete",
    writers=("ingest", "trainer", "publisher"),
    readers=("users", "ingest"),
    types=("*",),
)
DEAD_LETTERS = Topic(
    name="tuning.dlq.v1",
    purpose="Records that could not be read, as they came, with the reason and where they stood.",
    policy="delete",
    writers=("ingest", "trainer", "publisher"),
    readers=("operators",),
    types=(),
    retention_ms=30 * DAY_MS,
)
TOPICS = (REQUESTS, COMMANDS, JOBS, ADAPTERS, EVENTS, DEAD_LETTERS)
BY_NAME = MappingProxyType({topic.name: topic for topic in TOPICS})

TYPE_PREFIX = "lorabus."
TYPE_SUFFIX = ".v1"


def full_type(short: str) -> str:
    """`job.accepted` -> `lorabus.job.accepted.v1`, as it stands in `ce_type`."""
    return f"{TYPE_PREFIX}{short}{TYPE_SUFFIX}"


def short_type(full: str) -> str:
    """`lorabus.job.accepted.v1` -> `job.accepted`; other texts come back as they are."""
    if full.startswith(TYPE_PREFIX) and full.endswith(TYPE_SUFFIX):
        return full[len(TYPE_PREFIX) : -len(TYPE_SUFFIX)]
    return full
