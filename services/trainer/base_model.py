"""Where a preset's base weights are: where `LORABUS_MODELS` says, else fetched from the hub once."""

from pathlib import Path

import orjson

from schemas.failures import Reason
from schemas.presets import Preset, UnknownPreset, find_preset
from schemas.workspace import ResolvedSpec
from services.common import base_models
from services.common.base_models import INDEX, WEIGHTS, missing
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.trainer.hub import HubSilent, fetch_model
from services.trainer.hub_settings import HubSettings
from services.trainer.planning.memory import ModelFacts, model_facts
from services.trainer.stage.progress import OnProgress


async def find_base_model(
    spec: ResolvedSpec, store: ObjectStore, settings: HubSettings, on_progress: OnProgress
) -> Path:
    """Give the local folder with config, tokenizer and safetensors; raises a `JobError` that says how to provide it."""
    folder = await find_here(spec, store, settings)
    if folder is not None:
        return folder
    if not settings.hub_url:
        raise UserError(Reason.MODEL_NOT_FOUND, _how_to_provide(spec, settings))
    folder = base_models.cache_folder(spec.preset, spec.model.revision, settings)
    try:
        await fetch_model(spec.model, folder, settings, on_progress)
    except HubSilent as silence:
        why = f"{_how_to_provide(spec, settings)}. The hub could not be asked: {silence}"
        raise UserError(Reason.MODEL_NOT_FOUND, why) from silence
    except UserError as error:
        raise UserError(error.reason, f"{error.message}. Or: {_how_to_provide(spec, settings)}") from error
    return folder


async def find_here(spec: ResolvedSpec, store: ObjectStore, settings: HubSettings) -> Path | None:
    """The same without asking a hub; None when the model is neither here nor in the store."""
    return await base_models.find(spec.preset, spec.model.revision, settings, lambda: store)


def preset_of(spec: ResolvedSpec) -> Preset:
    """Give what is known of the spec's model; a preset that this version lacks is `UserError(ModelNotFound)`."""
    preset = find_preset(spec.preset)
    if isinstance(preset, UnknownPreset):
        raise UserError(Reason.MODEL_NOT_FOUND, f"this trainer has no preset {spec.preset}; see `lorabus presets`")
    return preset


def read_model_facts(folder: Path) -> ModelFacts:
    """Read the model's sizes from its config.json and its files."""
    try:
        config = orjson.loads((folder / "config.json").read_bytes())
    except orjson.JSONDecodeError as error:
        raise UserError(Reason.MODEL_UNSUPPORTED, f"{folder / 'config.json'} is not JSON: {error}") from error
    return model_facts(config, sum(path.stat().st_size for path in folder.glob("*.safetensors")))


def _how_to_provide(spec: ResolvedSpec, settings: HubSettings) -> str:
    place = base_models.place(spec.preset, settings)
    lacking = missing(Path(place)) if "://" not in place and Path(place).is_dir() else []
    files = ", ".join(lacking) or (
        f"config.json, tokenizer.json, tokenizer_config.json and {WEIGHTS} (or {INDEX} with every file that it names)"
    )
    return (
        f"the base model {spec.preset} is not on this trainer: put {files} of {spec.model.repository} at revision "
        f"{spec.model.revision} into {place} (LORABUS_MODELS) and submit with --rerun"
    )
