"""A training in the child, from the first step to the last evaluation."""

from pathlib import Path

from services.trainer.children.channel import Channel, Silence
from services.trainer.children.messages import Evaluated
from services.trainer.dataset.packs import PACKS, read_packs
from services.trainer.dataset.tokens import EVAL, Tokens
from services.trainer.planning.plan import TrainPlan
from services.trainer.planning.steps import Schedule
from services.trainer.training import checkpoint
from services.trainer.training.batches import Steps
from services.trainer.training.evaluate import Evaluator
from services.trainer.training.loop import RowTrainer
from services.trainer.training.model import Loaded
from services.trainer.training.ranks import Rank
from services.trainer.training.watch import Watcher


class Training:
    """Trains, evaluates on the way as the plan says, and compares with the base model at the end."""

    def __init__(
        self, plan: TrainPlan, loaded: Loaded, tokens: Tokens, watcher: Watcher, channel: Channel | Silence, rank: Rank
    ) -> None:
        """Without an evaluation split the rows that are trained on are looked at."""
        self._plan, self._loaded, self._watcher, self._channel = plan, loaded, watcher, channel
        path = Path(plan.tokens_folder) / EVAL
        self._held_out = path.is_file()
        looked_at = Tokens(path) if self._held_out else tokens
        self._steps = _steps(plan, loaded, tokens, rank)
        self._evaluator = Evaluator(
            loaded, looked_at, tokens_per_pass=lambda: self._steps.tokens_per_pass, between=watcher.between
        )

    def train(self, folder: Path) -> None:
        """All steps; raises `StopNow` when the parent does not want the rest."""
        plan, watcher = self._plan, self._watcher
        watcher.trainer = RowTrainer(
            plan,
            self._loaded,
            self._steps,
            folder=str(folder),
            between=watcher.between,
            remark=watcher.remark,
            evaluator=self._evaluate if plan.eval_steps and self._held_out else None,
        )
        watcher.trainer.add_callback(watcher)
        if len(self._steps):
            watcher.trainer.train()
        if watcher.best is not None and plan.keep_best:
            checkpoint.put_weights(self._loaded.model, watcher.best)

    def conclude(self) -> Evaluated:
        """The adapter against the base model, with a few answers of both."""
        mine, base = self._evaluator.score(), self._evaluator.score(base=True)
        message = Evaluated(
            step=self._plan.total_steps,
            total_steps=self._plan.total_steps,
            loss=mine.loss,
            perplexity=mine.perplexity,
            token_accuracy=mine.accuracy,
            base_loss=base.loss,
            base_perplexity=base.perplexity,
            base_token_accuracy=base.accuracy,
            samples=tuple(self._evaluator.samples(self._plan.samples)),
        )
        self._channel.send(message)
        return message

    def _evaluate(self) -> dict[str, float]:
        with self._watcher.aside():
            score = self._evaluator.score()
        counts = self._watcher.trainer.counts
        if counts.best_loss is None or score.loss < counts.best_loss:
            counts.best_loss = score.loss
            if self._plan.keep_best:
                weights = checkpoint.trained_weights(self._loaded.model)
                self._watcher.best = {name: weight.clone() for name, weight in weights.items()}
        self._channel.send(
            Evaluated(
                step=self._watcher.trainer.state.global_step,
                total_steps=self._plan.total_steps,
                loss=score.loss,
                perplexity=score.perplexity,
                token_accuracy=score.accuracy,
            )
        )
        return {"eval_loss": score.loss, "eval_token_accuracy": score.accuracy}


def _steps(plan: TrainPlan, loaded: Loaded, tokens: Tokens, rank: Rank) -> Steps:
    units = read_packs(Path(plan.tokens_folder) / PACKS) if plan.packing else None
    steps = Steps(
        tokens,
        Schedule(units, tokens.lengths, plan.rows_per_step, plan.data_seed, plan.sampling),
        total=plan.total_steps,
        tokens_per_pass=plan.tokens_per_pass,
        flat=loaded.flat,
        process=rank.process,
        processes=rank.processes,
    )
    steps.first = _resumed_step(plan)
    return steps


def _resumed_step(plan: TrainPlan) -> int:
    return int(Path(plan.resume_folder).name.removeprefix("checkpoint-")) if plan.resume_folder else 0
