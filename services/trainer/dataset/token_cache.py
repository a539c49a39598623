"""Tokenised, packed datasets in the store, under a key of all that they depend on: made once, found by every job.

The facts are written last: a folder without them is not there.
"""

import hashlib
from pathlib import Path

import orjson
from pydantic import ValidationError

from schemas import store_keys
from schemas.records import as_json
from services.common.object_store import ObjectStore
from services.trainer.dataset.request import CheckResult, Rules
from services.trainer.stored_files import plain_file

# Raise it whenever the same rows and rules give other tokens than before.
VERSION = 4
_FACTS = "facts.json"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)


def cache_key(dataset_digest: str, model_folder: Path, rules: Rules) -> str:
    """The same bytes, tokenizer and rules give the same tokens."""
    parts = {
        "version": VERSION,
        "dataset": dataset_digest,
        "rules": rules.model_dump(mode="json"),
        "tokenizer": {name: _digest(model_folder / name) for name in _TOKENIZER_FILES},
    }
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def fetch_tokens(store: ObjectStore, key: str, folder: Path) -> CheckResult | None:
    """Copy what is cached into the folder; None when there is nothing, or not all of it."""
    prefix = store_keys.tokens(key)
    raw = await store.get(f"{prefix}{_FACTS}")
    if raw is None:
        return None
    try:
        result = CheckResult.model_validate_json(raw)
        for name, size in result.files.items():
            await store.download(f"{prefix}{name}", folder / name)
            if (folder / name).stat().st_size != size:
                return None
    except (ValidationError, KeyError):
        return None
    return result


async def store_tokens(store: ObjectStore, key: str, folder: Path, result: CheckResult) -> None:
    prefix = store_keys.tokens(key)
    for name in result.files:
        with plain_file(folder / name, folder) as file:
            await store.upload(f"{prefix}{name}", file)
    await store.put(f"{prefix}{_FACTS}", as_json(result))


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
