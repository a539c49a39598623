"""The base model with its adapter, from a local folder: safetensors only, no code of the model's own, no network."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.planning.plan import TrainPlan
from services.trainer.planning.quantization import Quantization
from services.trainer.planning.targets import resolve_targets
from services.trainer.training import attention, falcon, shortcuts
from services.trainer.training.checkpoint import put_weights, trained_weights

# Attention of these kinds is what `attention.py` computes; anything else keeps the library's own way, with padding.
_PLAIN_LAYERS = frozenset({"full_attention", "sliding_attention"})
# First weights that are taken out of the base model's.
_TAKING = ("pissa", "olora")
_UNUSUAL = ("attn_logit_softcapping", "alibi", "use_bidirectional_attention")


@dataclass(frozen=True, slots=True)
class Loaded:
    """`flat`: rows may lie one behind the other in one sequence; else they are padded.

    `start` is what is trained as it was before, where putting the adapter on has changed the base model's weights:
    with these both together are the base model.
    """

    model: PeftModel
    tokenizer: Any
    targets: tuple[str, ...]
    flat: bool
    device: torch.device
    start: Mapping[str, torch.Tensor]

    @contextmanager
    def as_base(self) -> Iterator[None]:
        """The base model alone."""
        if not self.start:
            with self.model.disable_adapter():
                yield
            return
        kept = {name: weight.clone() for name, weight in trained_weights(self.model).items()}
        put_weights(self.model, self.start)
        try:
            yield
        finally:
            put_weights(self.model, kept)


def load(plan: TrainPlan, device: torch.device) -> Loaded:
    """Refuse what cannot work before a weight is read; then read the weights and put the adapter on."""
    folder = Path(plan.model_folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    skeleton = _skeleton(config)
    lora = _lora_config(plan, _linear_names(skeleton))
    _check_layers(lora.layers_to_transform, getattr(config, "num_hidden_layers", None))
    flat = falcon.can_be_flat(config) or _can_be_flat(skeleton, config)
    base = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=_dtype(plan.precision.weights),
        attn_implementation="sdpa" if falcon.can_be_flat(config) else _attention(flat, device),
        quantization_config=_bitsandbytes(plan.quantization),
        device_map={"": device},
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    base.config.use_cache = False
    if falcon.can_be_flat(config):
        falcon.take(base)
    if plan.quantization is not None:
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=plan.gradient_checkpointing)
        _keep_for_training(base)
    model = _with_adapter(base, lora)
    if device.type == "cpu" and plan.precision.autocast is None:
        shortcuts.take(model)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    targets = tuple(name for name, module in model.named_modules() if hasattr(module, "lora_A"))
    return Loaded(model, tokenizer, targets, flat, device, _start(model, lora))


def read_config(folder: Path) -> dict[str, object]:
    """The model's config.json."""
    config: dict[str, object] = json.loads((folder / "config.json").read_bytes())
    return config


def _skeleton(config: Any) -> torch.nn.Module:
    try:
        with torch.device("meta"):
            model: torch.nn.Module = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except ValueError as error:
        message = f"{config.model_type} is no causal language model that the trainer knows: {error}"[:500]
        raise UserError(Reason.MODEL_UNSUPPORTED, message) from error
    return model


def _linear_names(model: torch.nn.Module) -> list[str]:
    head = getattr(model, "get_output_embeddings", lambda: None)()
    kinds = (torch.nn.Linear, torch.nn.Embedding)
    return [name for name, module in model.named_modules() if isinstance(module, kinds) and module is not head]


def _lora_config(plan: TrainPlan, linear: Sequence[str]) -> LoraConfig:
    given = dict(plan.lora)
    targets = resolve_targets(given.pop("target_modules", None), linear, plan.fused)
    try:
        return LoraConfig(**given, target_modules=targets, task_type="CAUSAL_LM")
    except (TypeError, ValueError) as error:
        raise UserError(Reason.CONFIG_INVALID, f"LoraConfig: {error}"[:500]) from error


def _check_layers(asked: int | Sequence[int] | None, layers: int | None) -> None:
    """PEFT passes over a layer that the model does not have, and fails when none is left."""
    numbers = [asked] if isinstance(asked, int) else asked or ()
    for number in numbers if layers else ():
        if number not in range(layers or 0):
            message = f"the model has no layer {number}: it has {layers}, counted from 0"
            raise UserError(Reason.CONFIG_INVALID, f"LoraConfig.layers_to_transform: {message}")


def _with_adapter(base: Any, lora: LoraConfig) -> PeftModel:
    try:
        return get_peft_model(base, lora)
    except ValueError as error:
        raise UserError(Reason.CONFIG_INVALID, f"LoraConfig: {error}"[:500]) from error


def _start(model: Any, lora: LoraConfig) -> dict[str, torch.Tensor]:
    if lora.init_lora_weights not in _TAKING:
        return {}
    return {name: weight.clone() for name, weight in trained_weights(model).items()}


def _can_be_flat(model: Any, config: Any) -> bool:
    layers = set(getattr(config, "layer_types", None) or _PLAIN_LAYERS)
    unusual = any(getattr(config, name, None) for name in _UNUSUAL)
    return bool(model._supports_attention_backend and layers <= _PLAIN_LAYERS and not unusual)  # noqa: SLF001 - transformers has no public name for it.


def _attention(flat: bool, device: torch.device) -> str:
    if flat and device.type == "cpu":
        attention.register()
        return attention.ROWS
    if device.type == "cuda" and _has_flash_attention():
        return "flash_attention_2"
    return "sdpa"


def _has_flash_attention() -> bool:
    from transformers.utils import is_flash_attn_2_available  # noqa: PLC0415 - only GPUs ask.

    return bool(is_flash_attn_2_available())


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype):
        raise UserError(Reason.CONFIG_INVALID, f"ModelConfig.torch_dtype: {name} is no number format")
    return dtype


def _bitsandbytes(wanted: Quantization | None) -> BitsAndBytesConfig | None:
    if wanted is None:
        return None
    skipped = wanted.llm_int8_skip_modules
    words = wanted.model_dump(exclude={"llm_int8_skip_modules"})
    return BitsAndBytesConfig(**words, llm_int8_skip_modules=None if skipped is None else list(skipped))


def _keep_for_training(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from laying 4 bit weights out anew in an evaluation, as it does on CPUs with AVX512-BF16.

    No gradient goes through that layout, and DoRA reads it wrongly.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
