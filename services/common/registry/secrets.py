"""Reads the secrets that an operator mounts: `<secrets folder>/<secret>/.dockerconfigjson`."""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from schemas.failures import Reason
from schemas.references import ImageReference
from services.common.errors import UserError
from services.common.registry.docker_config import Credential, DockerConfig, InvalidDockerConfig, parse_docker_config

FILES = (".dockerconfigjson", "config.json", ".dockercfg")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


async def read_secret(folder: Path, name: str) -> DockerConfig:
    """Read a registry secret; every fault is a `UserError(SecretMissing)` that names the secret, never its content."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise UserError(Reason.SECRET_MISSING, f"secret {name[:100]!r} is no name of a Kubernetes Secret")
    try:
        return await asyncio.to_thread(_read, folder / name)
    except FileNotFoundError:
        raise UserError(
            Reason.SECRET_MISSING,
            f"secret {name!r} has no {FILES[0]}: put one into {folder / name}, as `kubectl create secret "
            "docker-registry` makes it",
        ) from None
    except InvalidDockerConfig as error:
        raise UserError(Reason.SECRET_MISSING, f"secret {name!r}: its {FILES[0]} {error}") from None
    except OSError as error:
        raise UserError(Reason.SECRET_MISSING, f"secret {name!r} cannot be read: {error.strerror}") from None


def _read(folder: Path) -> DockerConfig:
    for name in FILES:
        file = folder / name
        if file.is_file():
            return parse_docker_config(file.read_bytes())
    raise FileNotFoundError(folder)


async def find_credential(
    reference: ImageReference, secrets_dir: Path, environ: Mapping[str, str] = os.environ
) -> Credential | None:
    """For people at a terminal: Docker's own config first (`DOCKER_CONFIG`), then every secret here that fits."""
    own = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    return await asyncio.to_thread(_first, own, secrets_dir, reference)


def _first(own: Path, secrets_dir: Path, reference: ImageReference) -> Credential | None:
    folders = sorted(secrets_dir.iterdir()) if secrets_dir.is_dir() else []
    for folder in (own.parent, *folders):
        # A broken config of another registry must not stop a pull that needs none of it.
        with suppress(OSError, InvalidDockerConfig):
            found = _read(folder).find(reference)
            if found is not None:
                return found
    return None
