"""A Go tool is built once, with progress, and a build that fails or is interrupted leaves no half tool.

The compiler is a script with Go's manners: it says packages on stderr and puts the program into GOBIN.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from deploy.native import go_tools
from deploy.native.go_tools import BuildError, tool
from deploy.native.versions import GO_TOOLS

BUILDS = 'echo built >> "$LORABUS_CACHE/builds"; echo "$@" >> "$LORABUS_CACHE/arguments"'
GOOD = f'{BUILDS}; echo "go: downloading example.com/x v1.0.0" >&2; echo net/http >&2; echo program > "$GOBIN/crane"'
CRANE = f"crane-{GO_TOOLS['crane'].version}"

Compiler = Callable[[str], None]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """Puts a shell script in Go's place, and an empty cache at `tmp_path`."""
    monkeypatch.setenv("LORABUS_CACHE", str(tmp_path))
    go = tmp_path / "wheel" / "bin" / "go"
    go.parent.mkdir(parents=True)
    monkeypatch.setattr(go_tools, "go_binary", lambda: go)

    def write(script: str) -> None:
        go.write_text(f"#!/bin/sh\n{script}\n")
        go.chmod(0o755)

    return write


def test_a_tool_is_built_once_at_its_pinned_version(compiler: Compiler, tmp_path: Path) -> None:
    compiler(GOOD)
    said: list[str] = []
    assert tool("crane", said.append) == tool("crane", said.append) == tmp_path / "bin" / CRANE
    assert (tmp_path / "bin" / CRANE).read_text() == "program\n"
    assert (tmp_path / "builds").read_text() == "built\n"
    module = "github.com/google/go-containerregistry/cmd/crane"
    assert f"{module}@{GO_TOOLS['crane'].version}" in (tmp_path / "arguments").read_text()
    assert said == ["building crane 0.22.1 (once, about 10 seconds)", "built crane 0.22.1 in 00:00"]


def test_two_builders_at_once_build_once(compiler: Compiler, tmp_path: Path) -> None:
    compiler(GOOD)
    with ThreadPoolExecutor(2) as pool:
        paths = {build.result() for build in [pool.submit(tool, "crane", lambda _: None) for _ in range(2)]}
    assert paths == {tmp_path / "bin" / CRANE}
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_failed_build_says_what_go_said_and_leaves_nothing(compiler: Compiler, tmp_path: Path) -> None:
    compiler('echo half > "$GOBIN/crane"; echo "go: no such host" >&2; exit 1')
    with pytest.raises(BuildError, match=r"cannot build crane 0\.22\.1: go ended with 1(?s:.*)no such host"):
        tool("crane", lambda _: None)
    assert [path.name for path in (tmp_path / "bin").iterdir()] == [".crane.lock"]
    compiler(GOOD)
    assert tool("crane", lambda _: None).read_text() == "program\n"


def test_an_interrupted_build_ends_its_compilers(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler('echo $$ > "$LORABUS_CACHE/pid"; echo net/http >&2; sleep 60 & wait')

    def read(*_: object) -> None:
        # Ctrl-C while a line of progress is read; a shell's background job would get no signal of it.
        raise KeyboardInterrupt

    monkeypatch.setattr(go_tools.Progress, "read", read)
    with pytest.raises(KeyboardInterrupt):
        tool("crane", lambda _: None)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert [path.name for path in (tmp_path / "bin").iterdir()] == [".crane.lock"]


def test_progress_counts_modules_then_packages(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_tools, "TELL_EVERY", 0.01)
    done = tmp_path / "told"
    compiler(f'echo net/http >&2; echo net/url >&2; while [ ! -e "{done}" ]; do sleep 0.01; done; {GOOD}')
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "2 packages" in line:
            done.touch()

    tool("crane", say)
    assert "building crane 0.22.1 (once, about 10 seconds): 2 packages, 00:00" in said
