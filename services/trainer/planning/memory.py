"""How much memory a training takes, as a low and a high estimate, before anything is loaded.

Weights, adapter, gradients and optimizer follow from the sizes. Activations follow Korthikanti et al., "Reducing
activation recomputation in large transformer models": about 34 bytes per token, layer and hidden unit in 16 bits, of
which a frozen base keeps about two thirds; the logits of the trained tokens come on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_RUNTIME = 500 << 20
_LOW, _HIGH = 0.8, 1.4
_ACTIVATIONS_PER_UNIT = 11


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Sizes from a model's config.json."""

    model_type: str
    hidden: int
    layers: int
    intermediate: int
    vocabulary: int
    context: int
    parameters: int

    @property
    def linear_parameters(self) -> int:
        """Weights in the blocks' projections: what is quantised, and what a token is multiplied with."""
        return max(0, self.parameters - 2 * self.vocabulary * self.hidden)


def model_facts(config: Mapping[str, object], weights_bytes: int) -> ModelFacts:
    """Read config.json; `weights_bytes` is the size of the safetensors files."""
    text = config.get("text_config")
    values = {**config, **text} if isinstance(text, Mapping) else config
    hidden = _number(values, "hidden_size", "n_embd", "d_model", default=1)
    stored = str(values.get("dtype") or values.get("torch_dtype") or "float32")
    return ModelFacts(
        model_type=str(config.get("model_type", "unknown")),
        hidden=hidden,
        layers=_number(values, "num_hidden_layers", "n_layer", "num_layers", default=1),
        intermediate=_number(values, "intermediate_size", "ffn_hidden_size", default=4 * hidden),
        vocabulary=_number(values, "vocab_size", default=1),
        context=_number(values, "max_position_embeddings", "n_positions", "seq_length", default=2048),
        parameters=weights_bytes // (4 if stored == "float32" else 2),
    )


@dataclass(frozen=True, slots=True)
class Load:
    """What a plan puts on a device."""

    bytes_per_weight: float
    quantised_bytes_per_weight: float | None
    compute_bytes: int
    trainable: int
    tokens_per_pass: int
    checkpointing: bool


def estimate(model: ModelFacts, load: Load) -> tuple[int, int]:
    """Low and high, in bytes, on one device."""
    fixed = _weights(model, load) + load.trainable * 16
    moving = load.tokens_per_pass * bytes_per_token(model, load)
    return _RUNTIME + int(fixed + _LOW * moving), _RUNTIME + int(1.05 * fixed + _HIGH * moving)


def bytes_per_token(model: ModelFacts, load: Load) -> float:
    """What one token in flight keeps until the backward pass."""
    units = model.hidden * (2 if load.checkpointing else _ACTIVATIONS_PER_UNIT) + (
        0 if load.checkpointing else 3 * model.intermediate
    )
    one_layer = model.hidden * _ACTIVATIONS_PER_UNIT + 3 * model.intermediate
    activations = (model.layers * units + (one_layer if load.checkpointing else 0)) * load.compute_bytes
    return activations + 3 * 4 * model.vocabulary


def _weights(model: ModelFacts, load: Load) -> float:
    if load.quantised_bytes_per_weight is None:
        return model.parameters * load.bytes_per_weight
    plain = model.parameters - model.linear_parameters
    return plain * load.bytes_per_weight + model.linear_parameters * load.quantised_bytes_per_weight


def _number(values: Mapping[str, object], *names: str, default: int) -> int:
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return default
