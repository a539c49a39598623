"""`lorabus generate`: ask a base model with or without an adapter."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lorabus.api import open_api
from lorabus.asking import ask
from lorabus.base_models import CONFIG, base_model_of
from lorabus.cli.output import json_line, note, result
from lorabus.faults import DONE
from lorabus.pulling import pull
from lorabus.settings import CallerSettings, read_settings
from lorabus.telling import printable
from schemas.identity import is_job_id
from schemas.workspace import spec_from_json
from services.common.errors import LorabusError

TURNS = {"messages", "conversations", "prompt-completion", "alpaca"}
"""Shapes of rows that are taught as turns of a chat; plain text alone is not."""


def generate(target: str, prompt: str, *, base: bool, plain: bool, as_json: bool) -> int:
    """Print the answer. A job's rows tell how it was taught; of a folder nobody knows but the user."""
    settings = read_settings()
    with adapter_of(target, settings) as adapter:
        taught = asyncio.run(_taught(target, settings)) if is_job_id(target) else _Taught()
        model = base_model_of(adapter, settings)
        note("loading the model (some seconds)")
        who = "base" if base else "adapter"
        for line in ask(model, adapter, [prompt], whom=[who], plain=plain or taught.plain, template=taught.template):
            if as_json:
                json_line({"prompt": prompt, "with": who, "answer": line[who]})
            else:
                result(printable(line[who]))
    return DONE


@dataclass(frozen=True, slots=True)
class _Taught:
    """`plain`: the rows were texts to go on from, not turns of a chat. `template` is the request's own."""

    plain: bool = False
    template: str | None = None


async def _taught(job_id: str, settings: CallerSettings) -> _Taught:
    """As the job's events tell; nothing when nobody knows any more."""
    async with open_api(settings) as api:
        try:
            events = await api.events(job_id)
        except LorabusError:
            return _Taught()
    shapes = {word for event in events for word in re.split(r"[ ,]+", str(event.get("format", "")))}
    specs = (spec_from_json(event["spec"]) for event in events if isinstance(event.get("spec"), dict))
    template = next((spec.config.model.chat_template for spec in specs), None)
    return _Taught("text" in shapes and not shapes & TURNS, template)


@contextmanager
def adapter_of(target: str, settings: CallerSettings) -> Iterator[Path]:
    """The adapter's folder: the one that was named, or what is pulled for a job or an image."""
    if (Path(target) / CONFIG).is_file():
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="lorabus-") as folder:
        asyncio.run(pull(target, Path(folder), settings))
        yield Path(folder)
