"""The data file of presets: complete, and true of the architectures that the trainer has."""

import ast
import math
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from schemas.presets import METHODS, Preset, UnknownPreset, find_preset, presets, tunable_presets

TUNABLE = {
    *("tiny", "phi-4", "phi-4-mini-instruct", "phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"),
    *("phi-3-medium-4k-instruct", "phi-3-medium-128k-instruct", "phi-3.5-mini-instruct", "mistral-7b"),
    *("qwen2.5-coder-7b-instruct", "qwen2.5-coder-32b-instruct", "falcon-7b", "falcon-40b", "phi-2"),
}
PINS = """
phi-4 microsoft/phi-4 187ef0342fff0eb3333be9f00389385e95ef0b61
phi-4-mini-instruct microsoft/Phi-4-mini-instruct c0fb9e74abda11b496b7907a9c6c9009a7a0488f
phi-3-mini-4k-instruct microsoft/Phi-3-mini-4k-instruct 0a67737cc96d2554230f90338b163bc6380a2a85
phi-3-mini-128k-instruct microsoft/Phi-3-mini-128k-instruct 072cb7562cb8c4adf682a8e186aaafa49469eb5d
phi-3-medium-4k-instruct microsoft/Phi-3-medium-4k-instruct b64223aaea6fbf273c0c8cd0801d5e732dce8897
phi-3-medium-128k-instruct microsoft/Phi-3-medium-128k-instruct fa7d2aa4f5ea69b2e36b20d050cdae79c9bfbb3f
phi-3.5-mini-instruct microsoft/Phi-3.5-mini-instruct 3145e03a9fd4cdd7cd953c34d9bbf7ad606122ca
mistral-7b mistralai/Mistral-7B-v0.3 d8cadc02ac76bd617a919d50b092e59d2d110aff
qwen2.5-coder-7b-instruct Qwen/Qwen2.5-Coder-7B-Instruct c03e6d358207e414f1eca0bb1891e29f1db0e242
qwen2.5-coder-32b-instruct Qwen/Qwen2.5-Coder-32B-Instruct 381fc969f78efac66bc87ff7ddeadb7e73c218a7
falcon-7b tiiuae/falcon-7b 898df1396f35e447d5fe44e0a3ccaaaa69f30d36
falcon-40b tiiuae/falcon-40b 4a70170c215b36a3cce4b4253f6d0612bb7d4146
phi-2 microsoft/phi-2 ef382358ec9e382308935a992d908de099b64c23
"""
NOT_TUNABLE = {
    *("llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "deepseek-r1-distill-llama-8b"),
    *("deepseek-r1-distill-qwen-14b", "deepseek-r1-0528", "deepseek-v3-0324", "gpt-oss-20b", "gpt-oss-120b"),
    *("gemma-3-4b-instruct", "gemma-3-27b-instruct", "mistral-7b-instruct", "ministral-3-3b-instruct"),
    *("ministral-3-8b-instruct", "ministral-3-14b-instruct", "mistral-large-3-675b-instruct"),
}
# The file of transformers that defines each architecture's layers.
MODELING = {"phi-3": "phi3", "phi-4": "phi3", "phi-2": "phi", "falcon": "falcon", "mistral": "mistral", "qwen": "qwen2"}
MODELING |= {"tiny": "llama"}


def test_the_presets_of_the_contract() -> None:
    assert set(tunable_presets()) == TUNABLE
    assert set(presets()) == TUNABLE | NOT_TUNABLE


@pytest.mark.parametrize("line", PINS.strip().splitlines())
def test_a_preset_is_pinned_where_kaito_pins_it(line: str) -> None:
    name, repository, revision = line.split()
    assert (presets()[name].repository, presets()[name].revision) == (repository, revision)


@pytest.mark.parametrize("name", sorted(TUNABLE))
def test_a_preset_is_complete(name: str) -> None:
    preset = presets()[name]
    assert preset.tunable
    assert preset.methods == METHODS
    assert "/" in preset.repository
    assert name == "tiny" or re.fullmatch(r"[0-9a-f]{40}", preset.revision)
    assert preset.context_length
    assert preset.parameters
    assert preset.chat_template
    assert set(preset.memory_gib) == set(METHODS)
    weights = preset.parameters * 2 / 2**30
    assert preset.memory_gib["lora"] >= math.ceil(weights)
    assert preset.memory_gib["lora"] >= preset.memory_gib["qlora"]


def attributes(architecture: str) -> set[str]:
    """Every `self.<name> = ...` of an architecture's source: what a layer can be called."""
    path = f"transformers/models/{architecture}/modeling_{architecture}.py"
    source = Path(str(distribution("transformers").locate_file(path))).read_text(encoding="utf-8")
    return {
        target.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }


@pytest.mark.parametrize("name", sorted(TUNABLE))
def test_target_modules_exist_in_the_architecture(name: str) -> None:
    preset = presets()[name]
    there = attributes(next(file for start, file in MODELING.items() if name.startswith(start)))
    assert {*preset.target_modules, preset.embeddings} <= there
    assert set(preset.fused.values()) <= set(preset.target_modules)
    assert not set(preset.fused) & there - {"q_proj"} & set(preset.target_modules)


def test_known_figures() -> None:
    falcon = presets()["falcon-7b"]
    assert falcon.memory_gib["qlora"] == 16
    tiny = presets()["tiny"]
    assert (tiny.repository, tiny.revision, tiny.context_length) == ("lorabus/tiny", "1", 1024)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("tiny", "tiny"),
        ("TINY", "tiny"),
        ("phi-3-mini", "phi-3-mini-4k-instruct"),
        ("PHI-3-Mini", "phi-3-mini-4k-instruct"),
    ],
)
def test_names_and_aliases_have_no_letter_case(name: str, canonical: str) -> None:
    assert find_preset(name) is presets()[canonical]


def test_a_model_without_a_preset() -> None:
    found = find_preset("org/model")
    assert isinstance(found, Preset)
    assert (found.name, found.repository, found.revision) == ("org/model", "org/model", "main")
    assert (found.context_length, found.target_modules, found.tunable) == (None, (), True)


def test_a_known_repository_keeps_its_pin() -> None:
    found = find_preset("Microsoft/Phi-4")
    assert isinstance(found, Preset)
    assert (found.name, found.revision) == ("microsoft/phi-4", presets()["phi-4"].revision)
    assert found == find_preset("microsoft/PHI-4")
    assert found.target_modules == presets()["phi-4"].target_modules


def test_an_unknown_name_gives_the_nearest() -> None:
    assert find_preset("phi4") == UnknownPreset("phi4", "phi-4")
    assert find_preset("falcon-7b-instruct") == UnknownPreset("falcon-7b-instruct", "falcon-7b")
    assert find_preset("llama-3.1-8b") == UnknownPreset("llama-3.1-8b", "llama-3.1-8b-instruct")
    assert find_preset("zzz") == UnknownPreset("zzz", None)
    assert find_preset("x" * 10_000) == UnknownPreset("x" * 10_000, None)
