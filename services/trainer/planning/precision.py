"""Which number format a training computes in: the hardware decides, the request where the hardware has units for it.

On a CPU without bfloat16 units bfloat16 is emulated, 6 to 8 times slower than float32, and no more precise: every
bfloat16 weight is exactly a float32. A request for it there is met in float32, and the plan says so. On CPUs with
AVX512-BF16 the products are no faster than in float32 (measured: 75 against 130 GFLOP/s, both on two cores), and
only AMX tiles make bfloat16 pay.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from schemas.config import ModelConfig, TrainingArguments
from services.trainer.planning.hardware import Hardware

_FAST_BF16 = "amx_bf16"
_SOME_BF16 = ("amx_bf16", "avx512_bf16")


class Precision(BaseModel):
    """`weights` is the format of the base model's weights; `autocast` the format that products are computed in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = "float32"
    autocast: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.weights} with {self.autocast} products" if self.autocast else self.weights


def choose_precision(
    model: ModelConfig, training: TrainingArguments, hardware: Hardware
) -> tuple[Precision, Sequence[str]]:
    """Give the precision and what has to be said about it."""
    gpu = bool(hardware.gpus) and not training.use_cpu
    asked = model.torch_dtype if "torch_dtype" in model.model_fields_set else None
    mixed = _mixed(training)
    if asked is None and mixed is None:
        return _by_hardware(hardware, gpu), ()
    if not gpu:
        return _asked_on_cpu(asked, mixed, hardware)
    return Precision(weights=asked or "float32", autocast=mixed), ()


def _mixed(training: TrainingArguments) -> str | None:
    given = training.model_fields_set
    if "bf16" in given and training.bf16:
        return "bfloat16"
    return "float16" if "fp16" in given and training.fp16 else None


def _by_hardware(hardware: Hardware, gpu: bool) -> Precision:
    if gpu:
        modern = min(card.capability for card in hardware.gpus) >= (8, 0)
        return Precision(weights="bfloat16") if modern else Precision(weights="float16", autocast="float16")
    return Precision(weights="bfloat16" if _FAST_BF16 in hardware.cpu_flags else "float32")


def _asked_on_cpu(asked: str | None, mixed: str | None, hardware: Hardware) -> tuple[Precision, Sequence[str]]:
    units = any(flag in hardware.cpu_flags for flag in _SOME_BF16)
    slow = {"float16"} if units else {"float16", "bfloat16"}
    refused = sorted({name for name in (asked, mixed) if name in slow})
    if not refused:
        return Precision(weights=asked or "float32", autocast=mixed), ()
    note = (
        f"{' and '.join(refused)} was asked for, but this CPU has no units for it: computing in float32, "
        "which is several times faster here and no less precise"
    )
    kept = asked if asked not in slow else None
    return Precision(weights=kept or "float32"), (note,)
