"""Nested Python values with tensors in them, as safetensors and JSON: no pickle is ever written or read.

`<name>.safetensors` holds the tensors, `<name>.json` everything else with a reference in each tensor's place. Maps
keep the type of their keys, for optimizers number their parameters.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_TENSOR, _MAP, _TUPLE = "$tensor", "$map", "$tuple"


def save_state(folder: Path, name: str, value: object) -> None:
    """Raise TypeError for what is neither tensor, number, text, list nor map."""
    tensors: dict[str, torch.Tensor] = {}
    plain = _plain(value, tensors)
    save_file(tensors, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(plain))


def load_state(folder: Path, name: str) -> Any:
    """The value again, tensors on the CPU; raises OSError, ValueError or KeyError when the files are damaged."""
    tensors = load_file(folder / f"{name}.safetensors")
    return _whole(json.loads((folder / f"{name}.json").read_text()), tensors)


def _plain(value: object, tensors: dict[str, torch.Tensor]) -> object:
    if isinstance(value, torch.Tensor):
        number = str(len(tensors))
        # A copy, for safetensors refuses tensors that share memory.
        tensors[number] = value.detach().cpu().clone().contiguous()
        return {_TENSOR: number}
    if isinstance(value, dict):
        return {_MAP: [[key, _plain(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [_plain(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_plain(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be saved in a checkpoint")


def _whole(plain: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(plain, list):
        return [_whole(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if _TENSOR in plain:
        return tensors[plain[_TENSOR]]
    if _TUPLE in plain:
        return tuple(_whole(item, tensors) for item in plain[_TUPLE])
    return {key: _whole(item, tensors) for key, item in plain[_MAP]}
