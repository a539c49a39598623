"""What the local stack decides before it touches the machine."""

from pathlib import Path

import pytest

from deploy.native import kafka, registry
from deploy.native.go_tools import Progress, build_title
from deploy.native.health import brokers
from deploy.native.java import LOCK, Jar, pinned
from deploy.native.part import Part, Site
from deploy.native.process import PartSpec
from deploy.native.stack import PROFILES, layers
from deploy.native.versions import GO_TOOLS, JARS, GoTool


def part(name: str, *needs: str) -> Part:
    def prepare(_: Site) -> PartSpec:
        raise AssertionError("a plan prepares nothing")

    return Part(name, prepare, needs)


def names(found: list[list[Part]]) -> list[list[str]]:
    return [[part.name for part in layer] for layer in found]


def test_parts_come_after_what_they_need_and_beside_each_other_otherwise() -> None:
    parts = [part("ingest", "kafka", "minio"), part("kafka"), part("publisher", "kafka", "registry"), part("minio")]
    assert names(layers(parts)) == [["kafka", "minio"], ["ingest", "publisher"]]


def test_parts_that_need_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        layers([part("a", "b"), part("b", "a")])


def test_the_stack_has_the_embedded_parts_too() -> None:
    assert {part.name for part in PROFILES["embedded"]} < {part.name for part in PROFILES["stack"]}


@pytest.mark.parametrize("coordinate", [root.rstrip("!") for roots in JARS.values() for root in roots])
def test_every_pinned_program_is_in_the_lock(coordinate: str) -> None:
    locked = [jar.coordinate for program in JARS for jar in pinned(program, LOCK.read_text())]
    assert coordinate in locked


def test_the_lock_names_each_file_once_with_a_whole_digest() -> None:
    jars = [jar for program in JARS for jar in pinned(program, LOCK.read_text())]
    assert len({jar.coordinate for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_a_jar_keeps_its_name_behind_its_digest() -> None:
    assert Jar("io.zipkin:zipkin-server:3.5.1:exec", "ab" * 32).file_name == "abababababab-zipkin-server-3.5.1-exec.jar"


@pytest.mark.parametrize("tool", GO_TOOLS.values(), ids=list(GO_TOOLS))
def test_every_tool_has_an_exact_version(tool: GoTool) -> None:
    assert tool.version.startswith("v")
    assert tool.version != "latest"


def test_a_build_says_its_version_as_people_do() -> None:
    minio = GoTool("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", 270)
    assert build_title("minio", minio) == "building minio 2026-02-12 (once, about 4.5 minutes)"
    assert build_title("helm", GoTool("x", "v3.22.0", 120)) == "building helm 3.22.0 (once, about 2 minutes)"
    assert build_title("oras", GoTool("x", "v1.3.6", 20)) == "building oras 1.3.6 (once, about 20 seconds)"


def test_progress_tells_downloads_packages_and_complaints_apart() -> None:
    progress = Progress()
    for line in ("go: downloading a v1", "go: downloading b v1"):
        progress.read(line)
    assert str(progress) == "2 modules downloaded"
    for line in ("net/http", "", "# example.com/x", "x.go:3:1: syntax error"):
        progress.read(line)
    assert str(progress) == "1 packages"
    assert progress.last == "\n# example.com/x\nx.go:3:1: syntax error"


def test_brokers_are_read_from_a_metadata_response() -> None:
    one = b"\x00\x00\x00\x01" + b"\x00\x09127.0.0.1" + b"\x00\x00\x23\x84" + b"\xff\xff"
    two = b"\x00\x00\x00\x02" + b"\x00\x04host" + b"\x00\x00\x00\x01" + b"\x00\x01r"
    assert brokers(b"\x00\x00\x00\x07" + b"\x00\x00\x00\x02" + one + two) == {("127.0.0.1", 9092), ("host", 1)}


def test_servers_listen_on_loopback_only() -> None:
    settings = kafka.properties("127.0.0.1:9092", "127.0.0.1:5", Path("/home/x"))
    listeners = next(line for line in settings.splitlines() if line.startswith("listeners="))
    assert listeners == "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:5"
    assert "addr: 127.0.0.1:5000\n" in registry.config("127.0.0.1:5000", Path("/home/x"))
