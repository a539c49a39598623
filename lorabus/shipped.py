"""What comes with the code for trying it out: the tiny base model, the taught rows, the example Workspaces."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.native.cache import Say

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
MODEL = EXAMPLES / "tiny"
TAUGHT = EXAMPLES / "python-docs-taught.jsonl"
WORKSPACE = EXAMPLES / "tune-python-docs.yaml"
CLAIM = "python-docs"


def furnish(home: Path, say: Say, environ: Mapping[str, str] = os.environ) -> None:
    """Give a home what the examples need, where it is absent: the preset `tiny` and the data behind the claim."""
    if not environ.get("LORABUS_MODELS"):
        _place(MODEL, home / "models" / "tiny", say)
    if not environ.get("LORABUS_VOLUMES_DIR"):
        _place(TAUGHT, home / "volumes" / CLAIM / TAUGHT.name, say)


def _place(source: Path, target: Path, say: Say) -> None:
    """Copy beside the target, then rename: an interrupted copy is never taken for the whole."""
    if not source.exists() or target.exists():
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, draft)
    else:
        shutil.copy2(source, draft)
    draft.rename(target)
    say(f"put {source.name} of the examples into {target.parent}")
