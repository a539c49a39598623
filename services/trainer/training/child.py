"""The training child: from a plan to an adapter, with messages on the way. It sees local folders and nothing else."""

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch
from transformers.utils import logging as transformers_logging

from services.common.errors import JobError
from services.trainer.children.channel import Channel, Silence
from services.trainer.children.messages import Evaluated, Failed, Finished, Started, Stopped
from services.trainer.children.outcome import explain
from services.trainer.dataset.tokens import TRAIN, Tokens
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.adapter import save_adapter
from services.trainer.training.beside import leave_beside
from services.trainer.training.course import Training
from services.trainer.training.model import Loaded, load
from services.trainer.training.progress import Speaker
from services.trainer.training.ranks import Rank, spread
from services.trainer.training.watch import StopNow, Watcher

_LACKING = {
    "network": "the platform allows neither network namespaces nor Landlock: only its own rules keep this training "
    "from the network",
    "files": "the platform does not allow Landlock: this training can read what the trainer's user can read",
}
_LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes")


def train(arguments: dict[str, Any], pipe: BinaryIO, stop: int) -> None:
    """Entry of the child: `arguments` name the plan's file and the scratch folder."""
    channel = Channel(pipe, stop)
    scratch = Path(arguments["scratch"])
    try:
        plan = TrainPlan.model_validate_json(Path(arguments["plan"]).read_bytes())
        _settle(plan, scratch)
        _run(plan, scratch, channel, arguments.get("lacking", ()))
    except JobError as error:
        channel.send(Failed(reason=error.reason, message=error.message))
    except Exception as error:
        failed = explain(error)
        channel.send(failed)
        raise


def _settle(plan: TrainPlan, scratch: Path) -> None:
    """Threads, folders and noise."""
    os.chdir(scratch)
    os.environ["TMPDIR"] = str(scratch)
    torch.set_num_threads(plan.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _run(plan: TrainPlan, scratch: Path, channel: Channel, lacking: Sequence[str]) -> None:
    rank = spread(plan.processes)
    speaking = channel if rank.first else Silence()
    torch.manual_seed(plan.seed)
    loaded = load(plan, _device(plan, rank))
    tokens = Tokens(Path(plan.tokens_folder) / TRAIN)
    with Speaker(speaking, plan.total_steps) as speaker:
        watcher = Watcher(plan, speaking, speaker, scratch / "checkpoints", rank)
        training = Training(plan, loaded, tokens, watcher, speaking, rank)
        speaking.send(_started(plan, loaded, lacking))
        try:
            training.train(scratch / f"library-{rank.process}")
            if not rank.first:
                return
            evaluated = training.conclude()
        except StopNow:
            watcher.save()
            speaking.send(Stopped(step=watcher.trainer.counts.step, checkpoint=watcher.saved_step or None))
            return
    files = save_adapter(plan, loaded, scratch / "adapter")
    counts, loss = watcher.trainer.counts, watcher.last_loss
    last = None if loss is None else (counts.step, loss)
    beside = leave_beside(Path(plan.model_folder), plan.chat_template, counts.losses, last, scratch / "adapter")
    channel.send(
        Finished(
            files=(*files, *beside),
            metrics=watcher.metrics() | _figures(evaluated),
            trained_tokens=watcher.trainer.counts.trained_tokens,
            samples=evaluated.samples,
            libraries={name: version(name) for name in _LIBRARIES},
        )
    )


def _device(plan: TrainPlan, rank: Rank) -> torch.device:
    return torch.device("cuda", rank.process) if torch.cuda.is_available() and not plan.use_cpu else torch.device("cpu")


def _started(plan: TrainPlan, loaded: Loaded, lacking: Sequence[str]) -> Started:
    trainable = sum(weight.numel() for weight in loaded.model.parameters() if weight.requires_grad)
    resumed = int(Path(plan.resume_folder).name.removeprefix("checkpoint-")) if plan.resume_folder else None
    return Started(
        total_steps=plan.total_steps,
        dtype=plan.precision.name,
        device=str(loaded.device),
        trainable_parameters=trainable,
        target_modules=len(loaded.targets),
        resumed_from_step=resumed,
        notes=(*plan.notes, *(_LACKING[name] for name in lacking)),
        lacking=tuple(lacking),
    )


def _figures(evaluated: Evaluated) -> dict[str, float]:
    figures = {
        "eval_loss": evaluated.loss,
        "eval_token_accuracy": evaluated.token_accuracy,
        "base_loss": evaluated.base_loss,
        "base_token_accuracy": evaluated.base_token_accuracy,
    }
    return {name: value for name, value in figures.items() if value is not None}
