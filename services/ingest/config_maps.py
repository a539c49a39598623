"""ConfigMaps as Kubernetes mounts them: `<folder>/<name>/training_config.yaml`."""

import re
from collections.abc import Callable
from pathlib import Path

from schemas.admission.surroundings import ConfigMapLookup
from schemas.failures import Reason
from services.common.errors import WorldError

KEY = "training_config.yaml"
MAX_BYTES = 1024 * 1024
# RFC 1123 subdomain, the form of every name that Kubernetes gives: no slash and no leading dot, so no way out.
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def find_in(folder: Path) -> Callable[[str, str], ConfigMapLookup]:
    """Give the look-up that admission asks. One folder serves all namespaces, as one mount does."""

    def find(_: str, name: str) -> ConfigMapLookup:
        there = NAME.fullmatch(name) is not None and (folder / name).is_dir()
        return ConfigMapLookup(_read(folder / name / KEY) if there else None, f"LORABUS_CONFIGMAPS_DIR ({folder})")

    return find


def _read(file: Path) -> dict[str, bytes]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        raise WorldError(Reason.INTERNAL, f"ConfigMap file {file} cannot be read: {error.strerror}") from error
    # What is cut is refused by admission for its size.
    return {KEY: data[:MAX_BYTES]}
