"""The per-user cache of what is fetched or built once (jars, Go tools), and locks between processes."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]
"""Takes one line of progress for people."""


def cache_dir() -> Path:
    """`$LORABUS_CACHE`, or `~/.cache/lorabus`: shared by all homes of a user, safe to delete."""
    chosen = os.environ.get("LORABUS_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    path = Path(chosen) if chosen else (Path(base) if base else Path.home() / ".cache") / "lorabus"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file; `waiting` is called once when another process has it. A dead holder's lock is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file so that a reader sees all of it or the old one, also after a crash between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
