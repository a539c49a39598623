"""`TrainingArguments` of a request, as the words of TRL's SFTConfig that the child hands on.

Sizes, steps, saving, evaluating and reporting are the plan's own business and are set by it; what a service cannot
take was refused or warned about at the door (`schemas/admission/policy.py`).
"""

from schemas.config import TrainingArguments

HANDED_ON = frozenset(
    {
        *("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "optim", "weight_decay", "max_grad_norm"),
        *("adam_beta1", "adam_beta2", "adam_epsilon", "label_smoothing_factor", "neftune_noise_alpha"),
        *("warmup_steps", "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers"),
        *("ddp_static_graph", "ddp_timeout", "full_determinism", "tf32"),
        *("activation_offloading", "gradient_checkpointing_kwargs"),
    }
)


def trainer_arguments(training: TrainingArguments, *, gpu: bool) -> dict[str, object]:
    """Only what differs from TRL's defaults or was given, so that the plan stays readable."""
    values = dict(training)
    taken = HANDED_ON if gpu else HANDED_ON - {"activation_offloading"}
    return {name: values[name] for name in sorted(taken & set(values)) if values[name] is not None}
