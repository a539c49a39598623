"""What a training does, decided before a weight is loaded, from the spec, the dataset's facts and the hardware.

Pure: the same facts give the same plan. A plan is plain JSON, so that the child needs nothing else, and a checkpoint
can tell by the plan's `digest` whether it belongs to this training.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from schemas.config import LoraConfig, TrainingArguments
from schemas.presets import Preset
from schemas.workspace import ResolvedSpec
from services.trainer.planning.arguments import trainer_arguments
from services.trainer.planning.hardware import Hardware
from services.trainer.planning.memory import Load, ModelFacts, bytes_per_token, estimate
from services.trainer.planning.precision import Precision, choose_precision
from services.trainer.planning.quantization import Quantization, quantization
from services.trainer.planning.refusals import refuse

_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_TOKENS_PER_PASS_CPU, _TOKENS_PER_PASS_GPU = 4096, 16384
_SHARE_FOR_ACTIVATIONS = 0.5


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of the tokenised rows. `packs` counts the packs of one epoch when rows are packed.

    It satisfies `refusals.Counted`.
    """

    digest: str
    rows: int
    eval_rows: int
    tokens: int
    trained_tokens: int
    longest: int
    packs: int | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the child finds things. `resume` is a verified checkpoint's folder."""

    model: str
    tokens: str
    resume: str | None = None


class TrainPlan(BaseModel):
    """Everything the child needs. Folders are local; `lora` and `arguments` are PEFT's and TRL's own words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    base_model: str
    base_revision: str
    model_folder: str
    tokens_folder: str
    resume_folder: str | None = None

    precision: Precision
    quantization: Quantization | None = None
    lora: dict[str, object]
    fused: dict[str, str] = Field(default_factory=dict)
    chat_template: str | None = Field(default=None, description="The request's own; the rows are tokenised with it.")
    arguments: dict[str, object]

    packing: bool = False
    max_length: int
    sampling: str = "random"
    rows_per_step: int = Field(ge=1, description="Rows, or packs, of one optimizer step over all processes.")
    tokens_per_pass: int = Field(ge=1, description="Most tokens of one forward pass, unless one row is longer.")
    steps_per_epoch: int = Field(ge=1)
    total_steps: int = Field(ge=1)
    seed: int
    data_seed: int
    loss_type: str = "nll"

    checkpoint_seconds: float = 60.0
    save_steps: int | None = None
    eval_steps: int | None = None
    keep_best: bool = False
    samples: int = 3
    gradient_checkpointing: bool = False
    threads: int
    processes: int = 1
    use_cpu: bool = False
    memory_bytes: tuple[int, int]
    memory_limit: int | None = Field(default=None, description="Of the machine's memory; None where GPUs are used.")
    dataset_digest: str
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of what decides the course of the training; folders, threads, memory and words do not."""
        left_out = {
            *("model_folder", "tokens_folder", "resume_folder", "threads", "memory_bytes", "memory_limit", "notes"),
            *("tokens_per_pass", "gradient_checkpointing", "checkpoint_seconds", "samples", "chat_template"),
        }
        return hashlib.sha256(self.model_dump_json(exclude=left_out).encode()).hexdigest()


def make_plan(
    spec: ResolvedSpec,
    preset: Preset,
    data: DataFacts,
    model: ModelFacts,
    hardware: Hardware,
    folders: Folders,
    *,
    job_id: str,
    cpu_threads: int | None = None,
) -> TrainPlan:
    """Raise `UserError` naming the fields when the configuration, or the data, cannot work."""
    training = spec.config.training
    gpu = bool(hardware.gpus) and not training.use_cpu
    refuse(spec.config, data, gpu=gpu)
    precision, notes = choose_precision(spec.config.model, training, hardware)
    quantized = quantization(spec.config.quantization, precision)
    processes = max(1, len(hardware.gpus)) if not training.use_cpu else 1
    rows_per_step = training.per_device_train_batch_size * training.gradient_accumulation_steps * processes
    steps_per_epoch = math.ceil((data.packs if training.packing and data.packs else data.rows) / rows_per_step)
    load = _load(spec, model, precision, quantized)
    tokens, checkpointing = _tokens_per_pass(training, data, model, hardware, load)
    load = Load(
        bytes_per_weight=load.bytes_per_weight,
        quantised_bytes_per_weight=load.quantised_bytes_per_weight,
        compute_bytes=load.compute_bytes,
        trainable=load.trainable,
        tokens_per_pass=min(max(tokens, data.longest), rows_per_step * data.longest),
        checkpointing=checkpointing,
    )
    return TrainPlan(
        job_id=job_id,
        base_model=spec.model.repository,
        base_revision=spec.model.revision,
        model_folder=folders.model,
        tokens_folder=folders.tokens,
        resume_folder=folders.resume,
        precision=precision,
        quantization=quantized,
        lora=_lora(spec.config.lora),
        fused=dict(preset.fused),
        chat_template=spec.config.model.chat_template,
        arguments=trainer_arguments(training, gpu=gpu),
        packing=training.packing,
        max_length=max_length(training, model),
        sampling=training.train_sampling_strategy,
        rows_per_step=rows_per_step,
        tokens_per_pass=tokens,
        steps_per_epoch=steps_per_epoch,
        total_steps=_total_steps(training, steps_per_epoch),
        seed=training.seed,
        data_seed=training.seed if training.data_seed is None else training.data_seed,
        loss_type=str((training.model_extra or {}).get("loss_type", "nll")),
        save_steps=_every(training.save_strategy, training.save_steps, training, steps_per_epoch),
        eval_steps=_every(training.eval_strategy, training.eval_steps, training, steps_per_epoch),
        keep_best=training.load_best_model_at_end,
        gradient_checkpointing=checkpointing,
        threads=cpu_threads or hardware.cores,
        processes=processes,
        use_cpu=training.use_cpu,
        memory_bytes=estimate(model, load),
        memory_limit=hardware.memory_bytes if training.use_cpu or not hardware.gpus else None,
        dataset_digest=data.digest,
        notes=(*notes, *_advice(training, gpu)),
    )


def max_length(training: TrainingArguments, model: ModelFacts) -> int:
    """Longest row in tokens: what the request says, at most what the model's positions reach."""
    return min(training.max_length or model.context, model.context)


def _load(spec: ResolvedSpec, model: ModelFacts, precision: Precision, quantized: Quantization | None) -> Load:
    return Load(
        bytes_per_weight=_BYTES[precision.weights],
        quantised_bytes_per_weight=quantized.bytes_per_weight if quantized else None,
        compute_bytes=_BYTES[precision.autocast or precision.weights],
        trainable=_trainable(spec.config.lora, model),
        tokens_per_pass=1,
        checkpointing=False,
    )


def _trainable(lora: LoraConfig, model: ModelFacts) -> int:
    """Rank times the sum of both sides of about seven projections a layer; near enough for an estimate."""
    return lora.r * model.layers * (8 * model.hidden + 3 * (model.hidden + model.intermediate))


def _tokens_per_pass(
    training: TrainingArguments, data: DataFacts, model: ModelFacts, hardware: Hardware, load: Load
) -> tuple[int, bool]:
    """How many tokens go through the model at once, and whether activations are recomputed to make room for them."""
    gpu = bool(hardware.gpus) and not training.use_cpu
    memory = min(card.memory_bytes for card in hardware.gpus) if gpu else hardware.memory_bytes
    free = max(0.0, memory - estimate(model, load)[1]) * _SHARE_FOR_ACTIVATIONS
    fitting = int(free / bytes_per_token(model, load))
    asked = training.gradient_checkpointing and "gradient_checkpointing" in training.model_fields_set
    checkpointing = asked or fitting < data.longest
    limit = _TOKENS_PER_PASS_GPU if gpu else _TOKENS_PER_PASS_CPU
    return max(1, data.longest, min(limit, limit if checkpointing else fitting)), checkpointing


def _total_steps(training: TrainingArguments, steps_per_epoch: int) -> int:
    if training.max_steps > 0:
        return training.max_steps
    return max(1, math.ceil(training.num_train_epochs * steps_per_epoch))


def _every(strategy: str, steps: float | None, training: TrainingArguments, steps_per_epoch: int) -> int | None:
    """Steps between two; a number below 1 is a share of all steps, as in TRL."""
    if strategy == "epoch":
        return steps_per_epoch
    if strategy != "steps":
        return None
    wanted = training.logging_steps if steps is None else steps
    return max(1, math.ceil(wanted * _total_steps(training, steps_per_epoch)) if wanted < 1 else int(wanted))


def _lora(lora: LoraConfig) -> dict[str, object]:
    values = {name: value for name, value in dict(lora).items() if value is not None and name != "task_type"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _advice(training: TrainingArguments, gpu: bool) -> Iterator[str]:
    if not gpu and (training.model_extra or {}).get("activation_offloading"):
        yield "activation_offloading has no effect on a CPU: activations are in the machine's memory as it is"
    if "learning_rate" not in training.model_fields_set:
        yield (
            f"learning_rate is the default of {training.learning_rate:g}, made for training all weights; "
            "an adapter usually wants about ten times as much: set TrainingArguments.learning_rate to 2e-4"
        )
