"""TRL's SFTTrainer over tokenised rows, with an optimizer step as the unit of everything.

What differs from TRL: a step's rows go through the model without padding and without seeing each other, the output
head computes only the tokens that are trained on, no statistics are computed that nobody reads, and a loss that is no
number ends the training.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from trl import SFTConfig, SFTTrainer

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.batches import Pass, Step, Steps
from services.trainer.model import Loaded
from services.trainer.plan import TrainPlan


class StopNow(Exception):
    """Raised between two forward passes, when the rest of a step is not worth waiting for."""


class RowTrainer(SFTTrainer):  # type: ignore[misc]
    """Trains on `Steps`; `between` is called between two passes of a step and may raise `StopNow`."""

    def __init__(
        self, plan: TrainPlan, loaded: Loaded, steps: Steps, *, folder: str, between: Callable[[], None]
    ) -> None:
        """`folder` takes what the library wants to write."""
        self._plan, self._steps, self._between = plan, steps, between
        self._flat = loaded.flat
        self.step_loss = 0.0
        self.grad_norm: float | None = None
        self.trained_tokens = 0
        super().__init__(
            model=loaded.model,
            args=sft_config(plan, folder, loaded.device),
            data_collator=_only,
            train_dataset=_something(),
            processing_class=loaded.tokenizer,
        )

    def get_train_dataloader(self) -> Any:
        """One item a step; it is not handed to accelerate, for `Steps` shares the rows out by itself."""
        return DataLoader(self._steps, batch_size=1, collate_fn=_only)

    def get_batch_samples(self, epoch_iterator: Any, *_: Any) -> tuple[list[Step], None]:
        """The library would count labels here; a step knows how many it has."""
        return [next(epoch_iterator)], None

    def floating_point_ops(self, *_: Any) -> int:
        """Nobody reads it."""
        return 0

    def training_step(self, model: Any, inputs: Step, *_: Any) -> torch.Tensor:
        """Forward and backward of all passes of a step; gives the mean loss of the step's trained tokens."""
        model.train()
        total = torch.zeros((), device=self.args.device)
        with self.maybe_activation_offload_context:
            for part in inputs.passes:
                self._between()
                with self.compute_loss_context_manager():
                    loss = self.loss_of(model, part, inputs.trained)
                self.accelerator.backward(loss)
                total += loss.detach()
        self.step_loss = float(total)
        self.trained_tokens += inputs.trained
        if not torch.isfinite(total):
            raise diverged(self.state.global_step + 1)
        return total

    def loss_of(self, model: Any, part: Pass, trained: int) -> torch.Tensor:
        """The summed loss of a pass's trained tokens over the number of those of the whole step."""
        logits = trained_logits(model, part, self.args.device)
        targets = part.targets.to(logits.device)
        losses = functional.cross_entropy(
            logits.float(), targets, reduction="none", label_smoothing=self.args.label_smoothing_factor
        )
        if self._plan.loss_type == "dft":
            losses = losses * torch.exp(-losses.detach())
        return losses.sum() / max(1, trained) * self.accelerator.num_processes

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self.grad_norm = None if norm is None else float(norm)
        return norm

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """An adapter's card is the publisher's business."""


def trained_logits(model: Any, part: Pass, device: torch.device) -> torch.Tensor:
    """Logits (positions, vocabulary) of the positions whose next token is trained on."""
    inputs = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in part.inputs.items()
    }
    keep = part.keep.to(device)
    if "attention_mask" not in inputs:
        return model(**inputs, logits_to_keep=keep, use_cache=False).logits[0]
    return model(**inputs, use_cache=False).logits.flatten(0, 1)[keep]


def diverged(step: int) -> UserError:
    """The loss is no number any more."""
    return UserError(
        Reason.TRAINING_DIVERGED,
        f"the loss of step {step} is not a finite number: lower TrainingArguments.learning_rate, keep max_grad_norm "
        "at 1.0, or compute in float32 (ModelConfig.torch_dtype)",
    )


def sft_config(plan: TrainPlan, folder: str, device: torch.device) -> SFTConfig:
    """The plan in TRL's words. Batches, saving, logging and evaluating are not the library's here."""
    mixed = plan.precision.autocast
    return SFTConfig(
        **plan.arguments,
        output_dir=folder,
        max_steps=plan.total_steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        gradient_checkpointing=plan.gradient_checkpointing,
        bf16=mixed == "bfloat16",
        fp16=mixed == "float16",
        use_cpu=device.type == "cpu",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
    )


def _only(items: list[Step]) -> Step:
    return items[0]


def _something() -> Any:
    """The library insists on a dataset of its own kind, and looks at its first row."""
    from datasets import Dataset  # noqa: PLC0415 - the one place that needs it.

    return Dataset.from_dict({"input_ids": [[0]], "labels": [[0]]})
