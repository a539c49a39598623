"""Secrets as Kubernetes mounts them: only whether they are there; ingest never opens one."""

from collections.abc import Callable
from pathlib import Path

from services.ingest.config_maps import NAME

KEY = ".dockerconfigjson"


def exists_in(folder: Path) -> Callable[[str], bool]:
    """Give the question that admission asks about the Secrets that a Workspace names."""

    def exists(name: str) -> bool:
        return NAME.fullmatch(name) is not None and (folder / name / KEY).is_file()

    return exists
