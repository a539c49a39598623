"""Where a preset's base weights are: a folder under `LORABUS_MODELS`, or a prefix of the store, copied here once."""

from pathlib import Path

from schemas.workspace import ResolvedSpec

from schemas.failures import Reason
from services.common.errors import UserError
from services.common.object_store import ObjectStore
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
