"""`lorabus generate`: ask a base model with or without an adapter."""

import asyncio
import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorabus.api import open_api
from lorabus.asking import ask
from lorabus.base_models import base_model_of
from lorabus.cli.output import json_line, note, result
from lorabus.cli.pull import pull_command
from lorabus.faults import DONE, BadInput
from lorabus.settings import read_settings
from lorabus.telling import printable
from services.common.errors import LorabusError

PLAIN, CHAT = {"prompt-completion", "alpaca", "text"}, {"messages", "conversations"}


def generate(target: str, prompt: str, *, base: bool, plain: bool, as_json: bool) -> int:
    """Print the answer. A job's rows tell how it was taught; of a folder nobody knows but the user."""
    with adapter_of(target) as adapter:
        plain = plain or (not Path(target).is_dir() and asyncio.run(_taught_plainly(target)))
        model = base_model_of(adapter, read_settings())
        note("loading the model (some seconds)")
        who = "base" if base else "adapter"
        for line in ask(model, adapter, [prompt], whom=[who], plain=plain):
            if as_json:
                json_line({"prompt": prompt, "with": who, "answer": line[who]})
            else:
                result(printable(line[who]))
    return DONE


async def _taught_plainly(job_id: str) -> bool:
    """Whether the job's rows were texts to go on from, not turns of a chat; False for what is no job."""
    async with open_api(read_settings()) as api:
        try:
            events = await api.events(job_id)
        except LorabusError:
            return False
    shapes = {word for event in events for word in re.split(r"[ ,]+", str(event.get("format", "")))}
    return bool(shapes & PLAIN) and not shapes & CHAT


@contextmanager
def adapter_of(target: str) -> Iterator[Path]:
    """The adapter's folder: the one that was named, or what is pulled for a job or an image."""
    if Path(target).is_dir():
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="lorabus-") as folder:
        pull_quietly(target, Path(folder))
        yield Path(folder)


def pull_quietly(target: str, folder: Path) -> str:
    """Pull as `lorabus pull` does; gives what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pull_command(target, folder, as_json=True)
    if code != DONE:
        raise BadInput(f"{target} could not be pulled")
    return said.getvalue()
