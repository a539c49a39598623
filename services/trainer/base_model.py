"""Where a preset's base weights are: a folder under `LORABUS_MODELS`, or a prefix of the store, copied here once."""

from pathlib import Path

import orjson

from schemas.failures import Reason
from schemas.presets import Preset, UnknownPreset, find_preset
from schemas.workspace import ResolvedSpec
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.trainer.planning.memory import ModelFacts, model_facts
from services.trainer.settings import TrainerSettings

NEEDED = ("config.json", "tokenizer.json")


async def find_base_model(spec: ResolvedSpec, store: ObjectStore, settings: TrainerSettings) -> Path:
    """Give the local folder with config, tokenizer and safetensors; raises `UserError(ModelNotFound)`."""
    name = spec.preset.replace("/", "--")
    if "://" in settings.models:
        folder = settings.home / "models-cache" / name / spec.model.revision
        if not _complete(folder):
            await _copy(store, f"models/{name}/", folder)
    else:
        folder = Path(settings.models) / name
    if not _complete(folder):
        raise UserError(Reason.MODEL_NOT_FOUND, _how_to_provide(spec, folder))
    return folder


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


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in NEEDED) and any(folder.glob("*.safetensors"))


async def _copy(store: ObjectStore, prefix: str, folder: Path) -> None:
    for key in await store.list(prefix):
        path = folder / key[len(prefix) :]
        path.parent.mkdir(parents=True, exist_ok=True)
        await store.download(key, path)


def _how_to_provide(spec: ResolvedSpec, folder: Path) -> str:
    return (
        f"the base model {spec.preset} is not on this trainer: put config.json, tokenizer.json, "
        f"tokenizer_config.json and the *.safetensors files of {spec.model.repository} at revision "
        f"{spec.model.revision} into {folder} (LORABUS_MODELS) and submit again"
    )
