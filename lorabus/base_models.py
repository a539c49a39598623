"""Where the weights of an adapter's base model are on this machine."""

import asyncio
import json
from pathlib import Path

from lorabus.faults import BadInput
from schemas.presets import Preset, find_preset, presets
from services.common import base_models
from services.common.errors import UserError
from services.common.object_store import open_store
from services.common.settings import Settings

CONFIG = "adapter_config.json"


def base_model_of(adapter: Path, settings: Settings) -> Path:
    """The folder of the base model that the adapter was made for."""
    try:
        named = json.loads((adapter / CONFIG).read_bytes())["base_model_name_or_path"]
    except OSError as error:
        raise BadInput(f"{adapter} is no adapter: {CONFIG}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{adapter / CONFIG} does not name its base model") from error
    return base_model(str(named), settings)


def base_model(repository: str, settings: Settings) -> Path:
    """The folder of a repository's weights: below `LORABUS_MODELS`, copied from the store, or fetched by a trainer."""
    known = _presets(repository)
    for preset in known:
        try:
            folder = asyncio.run(base_models.find(preset.name, preset.revision, settings, lambda: open_store(settings)))
        except UserError as error:
            raise BadInput(error.message) from error
        if folder is not None:
            return folder
    place = base_models.place(known[0].name, settings)
    raise BadInput(f"the base model {repository} is not on this machine: put its files into {place}")


def _presets(repository: str) -> list[Preset]:
    """The preset with this repository, by which its folder is called; any model may also be called by itself."""
    known = [preset for preset in presets().values() if preset.repository == repository]
    found = find_preset(repository)
    if isinstance(found, Preset) and found not in known:
        known.append(found)
    if not known:
        raise BadInput(f"{repository!r} is no base model that lorabus could know")
    return known
