"""The training child: from a plan to an adapter, with messages on the way. It sees local folders and nothing else."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch
from transformers.utils import logging as transformers_logging

from services.common.errors import JobError
from services.trainer.adapter import save_adapter
from services.trainer.batches import Steps
from services.trainer.channel import Channel
from services.trainer.loop import RowTrainer
from services.trainer.messages import Failed, Finished, Started, Stopped
from services.trainer.model import Loaded, load
from services.trainer.outcome import explain
from services.trainer.plan import TrainPlan
from services.trainer.progress import Watcher
from services.trainer.steps import Schedule
from services.trainer.tokens import TRAIN, Tokens


def train(arguments: dict[str, Any], pipe: BinaryIO, stop: int) -> None:
    """Entry of the child: `arguments` name the plan's file and the scratch folder."""
    channel = Channel(pipe, stop)
    scratch = Path(arguments["scratch"])
    try:
        plan = TrainPlan.model_validate_json(Path(arguments["plan"]).read_bytes())
        _settle(plan, scratch)
        _run(plan, scratch, channel)
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


def _run(plan: TrainPlan, scratch: Path, channel: Channel) -> None:
    device = (
        torch.device("cuda", 0)
        if torch.cuda.is_available() and not plan.arguments.get("use_cpu")
        else torch.device("cpu")
    )
    torch.manual_seed(int(str(plan.arguments.get("seed", 42))))
    loaded = load(plan, device)
    tokens = Tokens(Path(plan.tokens_folder) / TRAIN)
    schedule = Schedule(None, tokens.lengths, plan.rows_per_step, plan.data_seed, plan.sampling)
    steps = Steps(tokens, schedule, total=plan.total_steps, tokens_per_pass=plan.tokens_per_pass, flat=loaded.flat)

    def between() -> None:
        pass

    trainer = RowTrainer(plan, loaded, steps, folder=str(scratch / "library"), between=between)
    watcher = Watcher(plan, trainer, channel)
    trainer.add_callback(watcher)
    channel.send(_started(plan, loaded, None))
    trainer.train()
    if channel.stopping and trainer.state.global_step < plan.total_steps:
        channel.send(Stopped(step=trainer.state.global_step))
        return
    files = save_adapter(plan, loaded, scratch / "adapter")
    channel.send(
        Finished(files=files, metrics=watcher.metrics(), trained_tokens=trainer.trained_tokens, libraries=_libraries())
    )


def _started(plan: TrainPlan, loaded: Loaded, resumed: int | None) -> Started:
    trainable = sum(weight.numel() for weight in loaded.model.parameters() if weight.requires_grad)
    return Started(
        total_steps=plan.total_steps,
        dtype=plan.precision.name,
        device=str(loaded.device),
        trainable_parameters=trainable,
        target_modules=len(loaded.targets),
        resumed_from_step=resumed,
        notes=plan.notes,
    )


def _libraries() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "transformers", "peft", "trl", "bitsandbytes")}
