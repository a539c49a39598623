"""`lorabus presets`."""

import json

import pytest

from lorabus.cli.presets import presets_command
from schemas.presets import tunable_presets


def test_one_json_line_for_each_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert presets_command(as_json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert tuple(line["name"] for line in lines) == tunable_presets()
    phi = next(line for line in lines if line["name"] == "phi-3-mini-4k-instruct")
    assert phi == {
        "name": "phi-3-mini-4k-instruct",
        "aliases": ["phi-3-mini"],
        "repository": "microsoft/Phi-3-mini-4k-instruct",
        "revision": "0a67737cc96d2554230f90338b163bc6380a2a85",
        "contextLength": 4096,
        "parameters": 3_821_079_552,
        "targetModules": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
        "chatTemplate": "phi3",
        "methods": ["lora", "qlora"],
        "memoryGiB": {"lora": 10, "qlora": 4},
    }


def test_the_table_shows_every_preset_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert presets_command(as_json=False) == 0
    out = capsys.readouterr().out
    for name in tunable_presets():
        assert name in out
    assert "dense_h_to_4h" in out
    assert " phi4-mini " in out  # A family of templates.
