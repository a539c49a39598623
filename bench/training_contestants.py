"""Who trains beside lorabus in `bench/training.py`: each takes a folder with `model` and `tokens`."""

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from services.trainer.dataset.tokens import TRAIN, Tokens

PACK = 1024
RANK, RATE = 8, 2e-4
Result = dict[str, float]


def _kaito(folder: Path, threads: int, *, half: bool = False, share: int = 1) -> Result:
    from transformers import DataCollatorForLanguageModeling, TrainerCallback  # noqa: PLC0415 - only some contestants need it.

    class Emptying(TrainerCallback):  # type: ignore[misc]
        """KAITO empties the device's cache at every step; without a GPU there is nothing to empty."""

    return _trl(
        folder,
        threads,
        collator=lambda tokenizer: DataCollatorForLanguageModeling(tokenizer, mlm=False),
        callbacks=[Emptying()],
        half=half,
        share=share,
        labels=False,
        per_device_train_batch_size=1,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _trl(
    folder: Path,
    threads: int,
    *,
    collator: Callable[[Any], Any] | None = None,
    callbacks: list[Any] | None = None,
    half: bool = False,
    share: int = 1,
    labels: bool = True,
    **arguments: Any,
) -> Result:
    """TRL's trainer on the same tokens; `half`: weights in bfloat16 and TRL's own bf16 on top, as by default.

    `share`: on only so many parts of the rows.
    """
    import torch  # noqa: PLC0415 - only some contestants need it.
    from datasets import Dataset  # noqa: PLC0415 - only some contestants need it.
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - only some contestants need it.
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - only some contestants need it.
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - only some contestants need it.

    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if half else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=dtype)
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=RANK, target_modules="all-linear"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokens = Tokens(folder / "tokens" / TRAIN)
    rows = range(len(tokens) // share)
    columns: dict[str, list[list[int]]] = {"input_ids": [tokens.row(row)[0].tolist() for row in rows]}
    if labels:
        columns["labels"] = [tokens.row(row)[1].tolist() for row in rows]
    clock = _clock()
    settings = SFTConfig(
        output_dir=str(folder / "out"),
        num_train_epochs=1,
        learning_rate=RATE,
        max_length=PACK,
        bf16=half,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **arguments,
    )
    trainer = SFTTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
        data_collator=collator(tokenizer) if collator else None,
        callbacks=[clock, *(callbacks or [])],
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **clock.figures(),
        "tokens": int(tokens.lengths[: len(rows)].sum()),
        "peak_bytes": peak,
        "loss": losses[-1] if losses else 0.0,
    }


def _clock() -> Any:
    from transformers import TrainerCallback  # noqa: PLC0415 - only some contestants need it.

    class Clock(TrainerCallback):  # type: ignore[misc]
        """From the first step's begin to the last one's end; first_step is counted from the making of this."""

        def __init__(self) -> None:
            self.made, self.first = time.perf_counter(), 0.0
            self.begun = self.ended = (0.0, 0.0)

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.begun = (time.perf_counter(), time.process_time())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = (time.perf_counter(), time.process_time())
            self.first = self.first or self.ended[0] - self.made

        def figures(self) -> Result:
            seconds, work = (end - begin for end, begin in zip(self.ended, self.begun, strict=True))
            return {"seconds": seconds, "cpu_seconds": work, "first_step": self.first}

    return Clock()


TRL: dict[str, Callable[[Path, int], Result]] = {
    "kaito": _kaito,
    "kaito-bf16": lambda folder, threads: _kaito(folder, threads, half=True, share=6),
    "trl": _trl,
    "trl-packed": lambda folder, threads: _trl(
        folder, threads, packing=True, per_device_train_batch_size=1, gradient_checkpointing=False
    ),
}


def run(arguments: dict[str, Any], pipe: BinaryIO, _stop: int) -> None:
    """Entry of a contestant's process."""
    result = TRL[arguments["contestant"]](Path(arguments["folder"]), arguments["threads"])
    pipe.write(json.dumps(result).encode())
