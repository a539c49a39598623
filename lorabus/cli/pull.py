"""`lorabus pull`: the two adapter files, digests verified."""

import asyncio
from pathlib import Path

from lorabus.cli.output import json_line, result
from lorabus.faults import DONE
from lorabus.pulling import Pulled, pull
from lorabus.settings import read_settings
from lorabus.telling import printable


def pull_command(target: str, out: Path, as_json: bool) -> int:
    """Fetch and say what was fetched."""
    pulled = asyncio.run(pull(target, out, read_settings()))
    if as_json:
        json_line(_as_dict(pulled))
        return DONE
    for file in pulled.files:
        result(f"{file.path}  {file.digest}  {file.size:,} bytes")
    result(f"from {printable(pulled.reference)} ({pulled.digest}), digests verified")
    return DONE


def _as_dict(pulled: Pulled) -> dict[str, object]:
    files = [{"path": str(file.path), "digest": file.digest, "size": file.size} for file in pulled.files]
    return {"reference": pulled.reference, "digest": pulled.digest, "files": files}
