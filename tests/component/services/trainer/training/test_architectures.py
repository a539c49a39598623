"""Every preset's architecture, with random weights, tunes with both methods through the real path."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from services.trainer.children.messages import Started
from services.trainer.children.pool import TrainerPool

from .conftest import TINY, Heard, MakePlan, counting_rows

SIZES: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FALCON = {name: value for name, value in SIZES.items() if name not in ("intermediate_size", "max_position_embeddings")}
# The class of transformers, what it is made of, and the modules that the preset tunes.
ARCHITECTURES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "llama": (
        "Llama",
        {**SIZES, "num_key_value_heads": 2},
        {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    ),
    "mistral": (
        "Mistral",
        {**SIZES, "num_key_value_heads": 2, "sliding_window": None},
        {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    ),
    "qwen2": (
        "Qwen2",
        {**SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True},
        {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    ),
    "phi3": (
        "Phi3",
        {**SIZES, "num_key_value_heads": 2, "sliding_window": 8},
        {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    ),
    "phi4-mini": (
        "Phi3",
        {**SIZES, "num_key_value_heads": 2, "partial_rotary_factor": 0.75, "tie_word_embeddings": True},
        {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    ),
    "phi": ("Phi", SIZES, {"q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"}),
    "falcon-7b": (
        "Falcon",
        {**FALCON, "multi_query": True, "parallel_attn": True, "bias": False, "alibi": False},
        {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    ),
    "falcon-40b": (
        "Falcon",
        {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2, "bias": False, "alibi": False},
        {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    ),
}
QUANTIZED = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
TRAINING = {"learning_rate": 1e-2, "per_device_train_batch_size": 8, "max_steps": 4}


def random_model(name: str, folder: Path) -> Path:
    import torch
    import transformers

    kind, sizes, _ = ARCHITECTURES[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**sizes)
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
    for path in TINY.glob("*token*"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("name", ARCHITECTURES)
async def test_it_tunes(
    pool: TrainerPool, scratch: Path, tmp_path: Path, plan_for: MakePlan, name: str, method: str
) -> None:
    modules = ARCHITECTURES[name][2]
    plan = plan_for(
        counting_rows(16),
        model=random_model(name, tmp_path / "model"),
        method=method,
        LoraConfig={"r": 4, "target_modules": sorted(modules)},
        QuantizationConfig=QUANTIZED if method == "qlora" else {},
        TrainingArguments=TRAINING,
    ).model_copy(update={"samples": 1})
    heard = Heard()

    result = await pool.run(plan, scratch, heard, stop=asyncio.Event())

    assert result.finished is not None
    metrics = result.finished.metrics
    assert metrics["loss_last"] < metrics["loss_first"]
    assert metrics["eval_loss"] < metrics["base_loss"]
    assert heard.first(Started).target_modules == 2 * len(modules)
    weights = load_file(result.adapter_folder / "adapter_model.safetensors")
    assert {key.split(".")[-3] for key in weights} == modules
    assert any(values.any() for key, values in weights.items() if "lora_B" in key)
    assert json.loads((result.adapter_folder / "adapter_config.json").read_text())["target_modules"] == sorted(modules)
