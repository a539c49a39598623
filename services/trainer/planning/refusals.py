"""What cannot work, said before a weight is loaded, with the names of the fields that do not go together."""

from collections.abc import Iterator
from typing import Protocol

from schemas.config import TrainingConfig
from schemas.failures import Reason
from services.common.errors import UserError

_NEEDS_EVALUATION = ("reduce_lr_on_plateau", "greedy")


class Counted(Protocol):
    """What is asked of the data's facts."""

    @property
    def rows(self) -> int: ...

    @property
    def eval_rows(self) -> int: ...

    @property
    def trained_tokens(self) -> int: ...


def refuse(config: TrainingConfig, data: Counted, *, gpu: bool) -> None:
    """Raise `UserError` with everything that stands against this training; `gpu` is whether it runs on one."""
    if data.rows == 0 or data.trained_tokens == 0:
        raise UserError(
            Reason.NOTHING_TO_TRAIN,
            f"{data.rows} rows have {data.trained_tokens} tokens to train on: rows need an answer within max_length",
        )
    problems = list(_problems(config, data, gpu))
    if problems:
        raise UserError(Reason.CONFIG_INVALID, "; ".join(problems))


def _problems(config: TrainingConfig, data: Counted, gpu: bool) -> Iterator[str]:
    training, lora, quantization = config.training, config.lora, config.quantization
    if training.bf16 and training.fp16:
        yield "TrainingArguments.bf16 and fp16 are both true: keep one of them"
    targets = lora.target_modules if isinstance(lora.target_modules, tuple) else ()
    if any(name.rpartition(".")[2] in ("lm_head", "embed_out") for name in targets):
        yield "LoraConfig.target_modules: the output head cannot carry an adapter; put it into modules_to_save"
    if training.lr_scheduler_type in _NEEDS_EVALUATION and not _evaluates(config, data):
        yield (
            f"TrainingArguments.lr_scheduler_type: {training.lr_scheduler_type} follows the evaluation's loss: set "
            "eval_strategy to epoch and DatasetConfig.train_test_split below 1"
        )
    if training.load_best_model_at_end and not _evaluates(config, data):
        yield (
            "TrainingArguments.load_best_model_at_end needs evaluations: set eval_strategy to epoch and "
            "DatasetConfig.train_test_split below 1"
        )
    if lora.use_dora and quantization.load_in_8bit and not gpu:
        yield "LoraConfig.use_dora does not work with QuantizationConfig.load_in_8bit on a CPU: use load_in_4bit"
    if lora.init_lora_weights in ("olora", "pissa") and (quantization.load_in_4bit or quantization.load_in_8bit):
        yield (
            f"LoraConfig.init_lora_weights: {lora.init_lora_weights} changes the base weights, which quantised ones "
            "do not allow: use true or gaussian, or method lora"
        )


def _evaluates(config: TrainingConfig, data: Counted) -> bool:
    return config.training.eval_strategy != "no" and data.eval_rows > 0
