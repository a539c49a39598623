"""Checks files of training data with the code of the trainer, which is started as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lorabus.base_models import base_model
from lorabus.faults import BadFile, BadInput
from lorabus.settings import CallerSettings
from schemas.admission import admit
from schemas.bundles import Bundle
from schemas.documents import load_documents
from schemas.presets import UnknownPreset, find_preset
from schemas.workspace import ResolvedSpec

MODULE = "services.trainer.dataset.check_file"
_KEY, _NAME = "training_config.yaml", "check"


def check_files(
    files: Sequence[Path], preset: str, method: str, config: Path | None, settings: CallerSettings
) -> dict[str, object]:
    """What a job would be told of these files before it trains: `facts`, `notes`, and `reason` with `message`."""
    spec = resolve(preset, method, config)
    model = base_model(spec.model.repository, settings)
    request = {
        "files": [{"name": str(file), "path": str(file.absolute())} for file in _all_files(files)],
        "spec": spec.model_dump(mode="json", by_alias=True),
        "model_folder": str(model.absolute()),
    }
    return _asked(request)


def resolve(preset: str, method: str, config: Path | None) -> ResolvedSpec:
    """The spec of a job with this model and config; whatever ingest would refuse is refused here."""
    known = find_preset(preset)
    if isinstance(known, UnknownPreset):
        near = f" (did you mean {known.nearest}?)" if known.nearest else ""
        raise BadInput(f"--preset {preset!r} is not known{near}; `lorabus presets` lists them")
    texts = {_NAME: {_KEY: _config_text(config)}} if config else {}
    verdict = admit(_workspace(preset, method, texts), config_maps=texts)
    if verdict.spec is None:
        raise BadInput("; ".join(f"{problem.path}: {problem.message}" for problem in verdict.problems))
    return verdict.spec


def _workspace(preset: str, method: str, texts: Mapping[str, object]) -> dict[str, object]:
    """The least that the contract takes."""
    claim = {"volumeSource": {"persistentVolumeClaim": {"claimName": _NAME}}}
    tuning = {"preset": {"name": preset}, "method": method, "input": claim, "output": claim}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": _NAME},
        "resource": {"instanceType": "any", "labelSelector": {"matchLabels": {"app": _NAME}}},
        "tuning": tuning | ({"config": _NAME} if texts else {}),
    }


def _config_text(path: Path) -> str:
    """The `training_config.yaml` itself, or the one in the first ConfigMap of the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from error
    bundle = Bundle()
    bundle.add(load_documents(text, name=str(path)))
    for data in bundle.config_maps.values():
        if isinstance(data, Mapping) and isinstance(data.get(_KEY), str):
            return str(data[_KEY])
    return text


def _all_files(paths: Sequence[Path]) -> list[Path]:
    """A folder stands for the files in it, in the order and without the hidden ones, as a volume does."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
            found += [path / name for name in names if not any(part.startswith(".") for part in name.split("/"))]
        elif path.is_file() and os.access(path, os.R_OK):
            found.append(path)
        else:
            raise BadFile(f"{path} cannot be read: {'no permission' if path.exists() else 'there is no such file'}")
    if not found:
        raise BadFile(f"{paths[0]} holds no file")
    return found


def _asked(request: Mapping[str, object]) -> dict[str, object]:
    """The process dies with this one, also when this one is killed."""
    command = [sys.executable, "-m", MODULE, str(os.getpid())]
    done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadInput(f"the check ended with status {done.returncode}: {said[-1] if said else ''}") from None
    return dict(answer)
