"""`lorabus generate`: ask a base model with or without an adapter."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from services.common.errors import LorabusError

TURNS = {"messages", "conversations", "prompt-completion", "alpaca"}
"""Shapes of rows that are taught as turns of a chat; plain text alone is not."""


def generate(target: str, prompt: str, *, base: bool, plain: bool, as_json: bool) -> int:
    """Print the answer. A job's rows tell how it was taught; of a folder nobody knows but the user."""
    settings = read_settings()
    with adapter_of(target, settings) as adapter:
        plain = plain or (is_job_id(target) and asyncio.run(_taught_plainly(target, settings)))
        model = base_model_of(adapter, settings)
        note("loading the model (some seconds)")
        who = "base" if base else "adapter"
        for line in ask(model, adapter, [prompt], whom=[who], plain=plain):
            if as_json:
                json_line({"prompt": prompt, "with": who, "answer": line[who]})
            else:
                result(printable(line[who]))
    return DONE


async def _taught_plainly(job_id: str, settings: CallerSettings) -> bool:
    """Whether the job's rows were texts to go on from, not turns of a chat; False when nobody knows any more."""
    async with open_api(settings) as api:
        try:
            events = await api.events(job_id)
        except LorabusError:
            return False
    shapes = {word for event in events for word in re.split(r"[ ,]+", str(event.get("format", "")))}
    return "text" in shapes and not shapes & TURNS


@contextmanager
def adapter_of(target: str, settings: CallerSettings) -> Iterator[Path]:
    """The adapter's folder: the one that was named, or what is pulled for a job or an image."""
    if (Path(target) / CONFIG).is_file():
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="lorabus-") as folder:
        asyncio.run(pull(target, Path(folder), settings))
        yield Path(folder)
