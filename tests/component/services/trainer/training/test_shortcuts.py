"""What the shortcuts compute is what PEFT and the library compute, forwards and backwards.

torch is imported where it is used: only the process that runs these tests shall load it, not every one that collects
them.
"""

from pathlib import Path
from typing import Any

import pytest

from .test_architectures import random_model


def adapted(folder: Path, **lora: Any) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return get_peft_model(base, LoraConfig(r=4, **lora))


def take(model: Any) -> int:
    from services.trainer.training import shortcuts

    return shortcuts.take(model)


def gradients(folder: Path, *, taken: bool) -> tuple[int, Any, dict[str, Any]]:
    import torch

    torch.manual_seed(3)
    model = adapted(folder, lora_alpha=16, target_modules="all-linear")
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    count = take(model) if taken else 0
    ids = torch.arange(3, 43).reshape(2, 20)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return count, loss.detach(), {name: w.grad for name, w in model.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi3", "phi"])
def test_losses_and_gradients_are_the_same(tmp_path: Path, name: str) -> None:
    from torch.testing import assert_close

    folder = random_model(name, tmp_path / "model")
    count, loss, found = gradients(folder, taken=True)
    _, expected_loss, expected = gradients(folder, taken=False)
    assert count > 0
    assert_close(loss, expected_loss, rtol=1e-6, atol=0)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}, {"bias": "all"}],
    ids=["dropout", "dora", "lora_bias", "bias"],
)
def test_an_adapter_with_more_to_it_is_left_alone(tmp_path: Path, settings: dict[str, object]) -> None:
    model = adapted(random_model("qwen2", tmp_path / "model"), target_modules=["q_proj"], **settings)
    take(model)
    found = [module for module in model.modules() if hasattr(module, "lora_A")]
    assert found
    assert not any("forward" in vars(module) for module in found)


def test_a_disabled_adapter_is_the_base_model(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = random_model("llama", tmp_path / "model")
    ids = torch.arange(3, 23)[None]
    expected = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(ids).logits
    model = adapted(folder, target_modules="all-linear", init_lora_weights=False)
    take(model)
    assert not torch.allclose(model(ids).logits, expected)
    with model.disable_adapter():
        torch.testing.assert_close(model(ids).logits, expected)


def test_a_norm_that_computes_something_else_is_left_alone() -> None:
    import torch

    class OffsetRMSNorm(torch.nn.Module):  # type: ignore[misc]
        """As Gemma has it: the weight is counted from one."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full((8,), 0.5), requires_grad=False)
            self.eps = 1e-6

        def forward(self, x: Any) -> Any:
            return x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt() * (1 + self.weight)

    assert take(OffsetRMSNorm()) == 0
