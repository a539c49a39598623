"""How the base model's weights are stored for QLoRA."""

from pydantic import BaseModel, ConfigDict

from schemas.config import QuantizationConfig
from services.trainer.planning.precision import Precision


class Quantization(BaseModel):
    """The arguments of transformers' BitsAndBytesConfig, number formats by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    load_in_4bit: bool = False
    load_in_8bit: bool = False
    bnb_4bit_quant_type: str = "fp4"
    bnb_4bit_compute_dtype: str = "float32"
    bnb_4bit_use_double_quant: bool = False
    bnb_4bit_quant_storage: str = "uint8"
    llm_int8_threshold: float = 6.0
    llm_int8_skip_modules: tuple[str, ...] | None = None
    llm_int8_enable_fp32_cpu_offload: bool = False
    llm_int8_has_fp16_weight: bool = False

    @property
    def bytes_per_weight(self) -> float:
        """Of a quantised weight with its share of the constants: one float32, or about a byte, per 64 weights."""
        if self.load_in_8bit:
            return 1.0
        return 0.5 + (0.127 if self.bnb_4bit_use_double_quant else 0.5) / 8


def quantization(config: QuantizationConfig, precision: Precision) -> Quantization | None:
    """None when nothing is quantised. Products are computed in the precision that the hardware is good at."""
    if not (config.load_in_4bit or config.load_in_8bit):
        return None
    given = {name: value for name, value in dict(config).items() if name in Quantization.model_fields}
    if "bnb_4bit_compute_dtype" not in config.model_fields_set or config.bnb_4bit_compute_dtype in (
        "bfloat16",
        "float16",
    ):
        given["bnb_4bit_compute_dtype"] = precision.autocast or precision.weights
    return Quantization.model_validate(given)
