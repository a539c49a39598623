"""TRL's SFTTrainer over tokenised rows, with an optimizer step as the unit of everything.

What differs from TRL: a step's rows go through the model without padding and without seeing each other, the output
head computes only the tokens that are trained on, no statistics are computed that nobody reads, a step draws its
random numbers from a seed of its own, and a loss that is no number ends the training.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from trl import SFTConfig, SFTTrainer

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.batches import Pass, Step, Steps
from services.trainer.training.checkpoint import Counts
from services.trainer.training.memory import tried
from services.trainer.training.model import Loaded


class RowTrainer(SFTTrainer):  # type: ignore[misc]
    """Trains on `Steps`. `between` is called between two passes of a step and may raise to leave the training.

    `remark` takes what its owner should know. `counts` are those of all attempts; `evaluator` gives the metrics that
    the library's own schedule asks for.
    """

    def __init__(
        self,
        plan: TrainPlan,
        loaded: Loaded,
        steps: Steps,
        *,
        folder: str,
        between: Callable[[], None],
        remark: Callable[[str], None],
        evaluator: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        """`folder` takes what the library wants to write."""
        self._plan, self._steps, self._between, self._evaluator = plan, steps, between, evaluator
        self._remark = remark
        self.counts = Counts()
        self.step_loss = 0.0
        self.grad_norm: float | None = None
        super().__init__(
            model=loaded.model,
            args=sft_config(plan, folder, loaded.device, evaluates=evaluator is not None),
            data_collator=_only,
            train_dataset=_something(),
            eval_dataset=_something() if evaluator else None,
            processing_class=loaded.tokenizer,
        )
        # TRL puts the adapter of a quantised model into bfloat16; updates smaller than its steps would be lost.
        for weight in loaded.model.parameters():
            if weight.requires_grad and weight.dtype is torch.bfloat16 and plan.quantization is not None:
                weight.data = weight.data.float()

    def get_train_dataloader(self) -> Any:
        """One item a step; it is not handed to accelerate, for `Steps` shares the rows out by itself."""
        return DataLoader(self._steps, batch_size=1, collate_fn=_only, generator=torch.Generator())

    def get_batch_samples(self, epoch_iterator: Any, *_: Any) -> tuple[list[Step], None]:
        """The library would count labels here; a step knows how many it has."""
        return [next(epoch_iterator)], None

    def floating_point_ops(self, *_: Any) -> int:
        """Nobody reads it."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Where the library's loop wants to evaluate, ours does."""
        metrics = self._evaluator() if self._evaluator else {}
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def training_step(self, model: Any, inputs: Step, *_: Any) -> torch.Tensor:
        """Forward and backward of all passes of a step; gives the mean loss of the step's trained tokens."""
        while (total := tried(partial(self._passes, model, inputs), can_be_cut=_can_be_cut(inputs))) is None:
            self._halve(inputs)
            inputs = self._steps.step(inputs.number)
        self.step_loss = self._summed(total)
        self.counts.trained_tokens += inputs.trained
        if not torch.isfinite(total):
            raise diverged(inputs.number + 1)
        return total

    def _passes(self, model: Any, step: Step) -> torch.Tensor:
        model.train()
        model.zero_grad()
        # Numbers that a resumed training, or one on another machine, draws again just so.
        torch.manual_seed((self._plan.seed << 32) + (step.number << 8) + self.args.process_index)
        total = torch.zeros((), device=self.args.device)
        with self.maybe_activation_offload_context:
            for number, part in enumerate(step.passes, start=1):
                self._between()
                with self._exchange(model, last=number == len(step.passes)):
                    with self.compute_loss_context_manager():
                        loss = self.loss_of(model, part, step.trained)
                    self.accelerator.backward(loss)
                total += loss.detach()
        return total

    def _exchange(self, model: Any, *, last: bool) -> Any:
        """Several processes exchange gradients once a step."""
        self.accelerator.gradient_state._set_sync_gradients(last)  # noqa: SLF001 - as the library's own loop does.
        return torch.enable_grad() if last else self.accelerator.no_sync(model)

    def _summed(self, total: torch.Tensor) -> float:
        """The step's loss over all processes: each has divided by the tokens of all, and multiplied by their number."""
        return float(self.accelerator.reduce(total, "mean"))

    def _halve(self, step: Step) -> None:
        """Half as many tokens a pass and twice as many passes: the same step in less memory."""
        before = max(part.inputs["input_ids"].numel() for part in step.passes)
        self._steps.tokens_per_pass = before // 2
        self._remark(
            f"out of memory in step {step.number + 1} with {before} tokens going through the model at once: half as "
            "many from here on, in twice as many passes a step; what is learned is the same"
        )

    def loss_of(self, model: Any, part: Pass, trained: int) -> torch.Tensor:
        """The summed loss of a pass's trained tokens over the number of those of the whole step."""
        logits = trained_logits(model, part, self.args.device)
        losses = functional.cross_entropy(
            logits.float(),
            part.targets.to(logits.device),
            reduction="none",
            label_smoothing=self.args.label_smoothing_factor,
        )
        if self._plan.loss_type == "dft":
            losses = losses * torch.exp(-losses.detach())
        return losses.sum() / max(1, trained) * self.accelerator.num_processes

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self.grad_norm = None if norm is None else float(norm)
        return norm

    def create_scheduler(self, num_training_steps: int, *arguments: Any) -> Any:
        """Over all steps of the job, also when only the rest of them is left."""
        return super().create_scheduler(max(num_training_steps, self._plan.total_steps), *arguments)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """An adapter's card is the publisher's business."""


def _can_be_cut(step: Step) -> bool:
    """A row cannot."""
    return any(len(part.row_ends) > 1 for part in step.passes)


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


def sft_config(plan: TrainPlan, folder: str, device: torch.device, *, evaluates: bool) -> SFTConfig:
    """The plan in TRL's words. Batches, saving and logging are not the library's here."""
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
        seed=plan.seed,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="steps" if evaluates and plan.eval_steps else "no",
        eval_steps=plan.eval_steps,
        report_to="none",
        disable_tqdm=True,
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
    )


def _only(items: list[Any]) -> Any:
    return items[0]


def _something() -> Any:
    """The library insists on a dataset of its own kind, and looks at its first row."""
    from datasets import Dataset  # noqa: PLC0415 - the one place that needs it.

    return Dataset.from_dict({"input_ids": [[0]], "labels": [[0]]})
