"""Write `jars.lock` anew from the coordinates in `versions.py`: `python -m deploy.native.lock_jars`.

Each line is a set's name, a file's SHA-256 and its coordinate. Only who changes a version runs this.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.native.java import LOCK, sha256
from deploy.native.versions import JARS


def main() -> None:
    """Resolve, download and digest every set."""
    from jgo.maven import MavenContext  # noqa: PLC0415
    from jgo.parse import Coordinate  # noqa: PLC0415

    lines = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(8) as pool:
        context = MavenContext(repo_cache=Path(folder))
        for name, roots in JARS.items():
            inputs = [context.create_dependency(Coordinate.parse(root)) for root in roots]
            artifacts = _files(context, inputs)
            digests = pool.map(lambda artifact: sha256(artifact.resolve()), artifacts)
            lines += [
                f"{name} {digest} {_coordinate(artifact)}" for artifact, digest in zip(artifacts, digests, strict=True)
            ]
    LOCK.write_text("\n".join(sorted(lines)) + "\n")
    sys.stderr.write(f"{LOCK}: {len(lines)} files\n")


def _files(context: Any, inputs: list[Any]) -> list[Any]:
    """The named artefacts and all that they need at run time; one whose coordinate ends with `!` comes alone."""
    alone = [dependency for dependency in inputs if dependency.raw]
    trees = [dependency for dependency in inputs if not dependency.raw]
    resolved, transitive = context.resolver.resolve(trees) if trees else ([], [])
    needed = [dependency for dependency in transitive if dependency.scope in ("compile", "runtime")]
    return [dependency.artifact for dependency in (*alone, *resolved, *needed)]


def _coordinate(artifact: Any) -> str:
    parts = [artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier]
    return ":".join(part for part in parts if part)


if __name__ == "__main__":
    main()
