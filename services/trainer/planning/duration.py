"""How long a training takes, roughly, before it has begun. Pure.

A token costs two operations a weight forward and two back (a frozen base needs no gradients of its weights), two more
when activations are computed again, and the logits of what is trained on. The speed is what was measured in trainings
here and, for GPUs, two fifths of what their makers say of 16 bit products.
"""

from services.trainer.planning.hardware import Gpu, Hardware
from services.trainer.planning.memory import ModelFacts
from services.trainer.planning.plan import DataFacts, TrainPlan

_CPU_CORE = 22e9
_GPU_SHARE = 0.4
_GPU_PRODUCTS = {(9, 0): 990e12, (8, 9): 240e12, (8, 6): 125e12, (8, 0): 312e12, (7, 5): 65e12, (7, 0): 112e12}
_STEP_SECONDS = 0.01
_START_SECONDS = 2.0


def estimate_seconds(plan: TrainPlan, data: DataFacts, model: ModelFacts, hardware: Hardware) -> float:
    """From the first claim on warm imports to the last step; evaluations and checkpoints are not in it."""
    epochs = plan.total_steps / plan.steps_per_epoch
    passes = 6 if plan.gradient_checkpointing else 4
    blocks = data.tokens * passes * model.linear_parameters
    logits = data.trained_tokens * 4 * model.vocabulary * model.hidden
    seconds = epochs * (blocks + logits) / _speed(plan, hardware)
    return round(_START_SECONDS + plan.total_steps * _STEP_SECONDS + seconds, 1)


def _speed(plan: TrainPlan, hardware: Hardware) -> float:
    """Operations a second of all devices together."""
    if plan.use_cpu or not hardware.gpus:
        return plan.threads * _CPU_CORE
    return sum(_products(gpu) for gpu in hardware.gpus) * _GPU_SHARE


def _products(gpu: Gpu) -> float:
    known = [capability for capability in sorted(_GPU_PRODUCTS) if capability <= gpu.capability]
    return _GPU_PRODUCTS[known[-1] if known else (7, 0)]
