"""A jar enters the cache only when it is the one that was pinned."""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.native import java
from deploy.native.java import FetchError, Jar, fetch_one

GOOD = b"the pinned bytes"
JAR = Jar("org.example:part:1.0:exec", hashlib.sha256(GOOD).hexdigest())


@dataclass
class Source:
    """Stands for jgo's context: gives each of the contents in turn, into its own folder."""

    inbox: Path
    contents: Iterator[bytes]
    asked: list[str] = field(default_factory=list)

    def project(self, group: str, artifact: str) -> "Source":
        self.asked.append(f"{group}:{artifact}")
        return self

    def at_version(self, version: str) -> "Source":
        self.asked.append(version)
        return self

    def artifact(self, classifier: str = "") -> "Source":
        self.asked.append(classifier)
        return self

    def resolve(self) -> Path:
        content = next(self.contents)
        if not content:
            raise RuntimeError("the connection was closed")
        path = self.inbox / "part.jar"
        path.write_bytes(content)
        return path


def source(tmp_path: Path, *contents: bytes) -> Source:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "jars").mkdir()
    return Source(tmp_path / "inbox", iter(contents))


def test_a_pinned_file_gets_its_place(tmp_path: Path) -> None:
    origin = source(tmp_path, GOOD)
    fetch_one(origin, JAR, tmp_path / "jars")
    assert (tmp_path / "jars" / JAR.file_name).read_bytes() == GOOD
    assert origin.asked == ["org.example:part", "1.0", "exec"]


def test_a_broken_download_is_tried_again(tmp_path: Path) -> None:
    fetch_one(source(tmp_path, b"", GOOD[:4], GOOD), JAR, tmp_path / "jars")
    assert (tmp_path / "jars" / JAR.file_name).read_bytes() == GOOD


def test_another_file_under_the_pinned_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"org\.example:part:1\.0:exec.*SHA-256 is not the one"):
        fetch_one(source(tmp_path, b"evil", b"evil", b"evil"), JAR, tmp_path / "jars")
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="the connection was closed"):
        fetch_one(source(tmp_path, b"", b"", b""), JAR, tmp_path / "jars")


def test_a_warm_cache_needs_neither_network_nor_jgo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORABUS_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    (tmp_path / "jars").mkdir()
    wanted = java.pinned("kafka", java.LOCK.read_text())
    for jar in wanted:
        (tmp_path / "jars" / jar.file_name).touch()
    said: list[str] = []
    assert java.jars("kafka", said.append) == [tmp_path / "jars" / jar.file_name for jar in wanted]
    assert said == []
