"""Base models on this machine: whole folders with config, tokenizer and safetensors.

People put them into the folder, or the prefix of the store, that `LORABUS_MODELS` names. What is copied from the store
or fetched from a hub is kept below `<home>/models-cache`, by name and revision.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from schemas.failures import Reason
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.common.settings import Settings

NEEDED = ("config.json", "tokenizer.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def place(name: str, settings: Settings) -> str:
    """Where people put a model's files, as messages name it."""
    return f"{settings.models.rstrip('/')}/{_folder_name(name)}"


def cache_folder(name: str, revision: str, settings: Settings) -> Path:
    """Where lorabus keeps its own copy."""
    return settings.home / "models-cache" / _folder_name(name) / re.sub(r"[^A-Za-z0-9_-]+", "-", revision)


def missing(folder: Path) -> list[str]:
    """Give the files that a model needs and the folder lacks."""
    return [name for name in (*NEEDED, *weights(folder)) if not (folder / name).is_file()]


def weights(folder: Path) -> list[str]:
    """Give the names of the weights: those in the index, what lies there, or what one would expect."""
    if not (folder / INDEX).is_file():
        return sorted(path.name for path in folder.glob("*.safetensors")) or [WEIGHTS]
    try:
        return sorted({str(name) for name in json.loads((folder / INDEX).read_bytes())["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return [INDEX]


def here(name: str, revision: str, settings: Settings) -> Path | None:
    """Give the folder of a model that is complete on this machine."""
    folders = [cache_folder(name, revision, settings)]
    if "://" not in settings.models:
        folders.insert(0, Path(place(name, settings)))
    return next((folder for folder in folders if not missing(folder)), None)


async def find(name: str, revision: str, settings: Settings, store: Callable[[], ObjectStore]) -> Path | None:
    """Give the folder of a model that is complete here or in the store; None when it is neither."""
    prefix = _prefix(settings)
    folder = here(name, revision, settings)
    if folder is not None or prefix is None:
        return folder
    await _copy(store(), f"{prefix}/{_folder_name(name)}/", cache_folder(name, revision, settings))
    return here(name, revision, settings)


def _prefix(settings: Settings) -> str | None:
    """The keys' prefix when the models lie in the store."""
    if "://" not in settings.models:
        return None
    inside = settings.models.rstrip("/").removeprefix(f"{settings.store.rstrip('/')}/")
    if "://" in inside:
        message = f"LORABUS_MODELS {settings.models} must be a folder, or lie in LORABUS_STORE {settings.store}"
        raise UserError(Reason.MODEL_NOT_FOUND, message)
    return inside


async def _copy(store: ObjectStore, prefix: str, folder: Path) -> None:
    """The folder appears when all files are there; whoever else copies it at the same time brings the same."""
    keys = await store.list(prefix)
    part = folder.with_name(f"{folder.name}.{uuid4().hex[:8]}.part")
    for key in keys:
        path = part / key[len(prefix) :]
        path.parent.mkdir(parents=True, exist_ok=True)
        await store.download(key, path)
    if keys and not missing(part):
        publish(part, folder)


def publish(part: Path, folder: Path) -> None:
    """Give a complete folder its name, unless somebody else was faster."""
    if missing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    shutil.rmtree(part, ignore_errors=True)


def _folder_name(name: str) -> str:
    return name.replace("/", "--")
