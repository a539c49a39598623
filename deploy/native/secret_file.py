"""A random secret that is made once and kept in a file which only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def kept(path: Path, entropy: int = 20) -> str:
    """The file's secret; made when there is none, and of two makers at once the first one's for both."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(entropy))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
