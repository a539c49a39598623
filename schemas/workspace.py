"""A Workspace once it is accepted: everything a later service needs, with nothing left to guess."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.config import TrainingConfig
from schemas.plain import Plain

Method = Literal["lora", "qlora"]


class SpecPart(BaseModel):
    """Readers ignore what they do not know, for fields are only ever added."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class ModelRef(SpecPart):
    """The base weights. `revision` is a commit where a preset pins one, `main` for a model that nobody pinned."""

    repository: str
    revision: str


class VolumeSource(SpecPart):
    """Exactly one is set. `claim_name` is a plain file name, `host_path` absolute and without `..`."""

    claim_name: str | None = None
    host_path: str | None = None
    read_only: bool = False


class InputSpec(SpecPart):
    """URLs have their host lower-cased, the image has registry and tag or digest."""

    kind: Literal["urls", "image", "volume"]
    name: str | None = None
    urls: tuple[str, ...] = ()
    image: str | None = None
    pull_secrets: tuple[str, ...] = ()
    volume: VolumeSource | None = None


class OutputSpec(SpecPart):
    kind: Literal["image", "volume"]
    image: str | None = None
    push_secret: str | None = None
    volume: VolumeSource | None = None


class Fixed(SpecPart):
    """What an update must leave alone and nothing else needs; it is no part of a job's id."""

    preset: dict[str, object] = Field(default_factory=dict)
    instance_type: str = ""
    count: int = 1
    labels: dict[str, str] | None = None
    partition: dict[str, object] | None = None


class ResolvedSpec(SpecPart, Plain):
    """`output_dir` is absolute, below `/mnt`, without dots. `preset` is the canonical name, or `organisation/model`."""

    namespace: str
    name: str
    preset: str
    model: ModelRef
    method: Method
    input: InputSpec
    output: OutputSpec
    config: TrainingConfig = Field(default_factory=TrainingConfig)
    output_dir: str
    fixed: Fixed = Field(default_factory=Fixed)

    @cached_property
    def plain(self) -> dict[str, Any]:
        """What its JSON says; not to be changed. Many specs share one configuration, which keeps its own."""
        rest: dict[str, Any] = orjson.loads(self.model_dump_json(exclude={"config"}))
        return {**rest, "config": self.config.plain}

    @property
    def spec_digest(self) -> str:
        """`sha256:` and the hash that the job's id starts with."""
        from schemas.identity import digest  # noqa: PLC0415  # identity is written in terms of this class.

        return f"sha256:{digest(self)}"


def spec_from_json(value: Mapping[str, object]) -> ResolvedSpec:
    """Reads a spec back from an event or the store."""
    return ResolvedSpec.model_validate(value)
