"""Ask a base model, with or without an adapter: `python -m services.trainer.generate --help`.

Prompts come as a JSON list of texts; each leaves as one JSON line `{"prompt", "base", "adapter"}` with the answers
asked for. Nothing is fetched from anywhere, and only safetensors are loaded: an adapter may come from a stranger.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = "adapter_model.safetensors"
BASE, ADAPTER = "base", "adapter"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of whom. `plain` prompts are texts to go on from; others are one user's turn in a chat.

    `template` is the one that the adapter was taught with, where that is not the base model's own.
    """

    model: Path
    adapter: Path | None
    prompts: Sequence[str]
    whom: Sequence[str]
    plain: bool
    max_new_tokens: int
    template: str | None = None


def main() -> int:
    """0, or 1 with one line on stderr when model, adapter or prompts cannot be used."""
    # The libraries read these when they are imported.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
    # As for trainings (children/child_process.py): no compiler is loaded, and no thread spins while it waits.
    os.environ.update(TORCHDYNAMO_DISABLE="1", OMP_WAIT_POLICY="passive")
    importlib.import_module("services.trainer.quiet_imports")
    try:
        for line in answers(_question()):
            print(json.dumps(line, ensure_ascii=False), flush=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        print(f"cannot generate: {' '.join(str(error).split())[:500]}", file=sys.stderr)
        return 1
    return 0


def answers(question: Question) -> Iterator[dict[str, str]]:
    """One prompt after the other, greedy: the same weights always say the same."""
    tokenizer, model = _load(question.model, question.adapter)
    tokenizer.chat_template = question.template or tokenizer.chat_template
    for prompt in question.prompts:
        line = {"prompt": prompt}
        for who in question.whom:
            without = model.disable_adapter() if who == BASE and question.adapter else nullcontext()
            with without:
                line[who] = _answer(tokenizer, model, prompt, question)
        yield line


def _load(folder: Path, adapter: Path | None) -> tuple[Any, Any]:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no base model (config.json, tokenizer.json, *.safetensors)")
    if adapter is not None and not (adapter / WEIGHTS).is_file():
        # PEFT would go on to a pickle or to the hub.
        raise FileNotFoundError(f"{adapter} holds no {WEIGHTS}")
    from peft import PeftModel  # noqa: PLC0415 - seconds of imports, for nothing when a file is missing.
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype="auto")
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, local_files_only=True)
    return tokenizer, model.eval()


def _answer(tokenizer: Any, model: Any, prompt: str, question: Question) -> str:
    import torch  # noqa: PLC0415

    if question.plain or not tokenizer.chat_template:
        inputs = tokenizer(prompt, return_tensors="pt")
    else:
        turn = [{"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        output = model.generate(**inputs.to(model.device), do_sample=False, max_new_tokens=question.max_new_tokens)
    text: str = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return text.strip()


def _question() -> Question:
    parser = argparse.ArgumentParser(prog="python -m services.trainer.generate", description=(__doc__ or "")[:70])
    parser.add_argument("--model", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of the adapter")
    parser.add_argument("--prompts-file", type=Path, required=True, help="a JSON list of texts")
    parser.add_argument("--ask", nargs="+", choices=(BASE, ADAPTER), help="whom to ask; default: the most there is")
    parser.add_argument("--plain", action="store_true", help="go on from the text, without the chat template")
    parser.add_argument("--template-file", type=Path, help="the chat template that the adapter was taught with")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    chosen = parser.parse_args()
    whom = chosen.ask or [ADAPTER if chosen.adapter else BASE]
    if ADAPTER in whom and chosen.adapter is None:
        parser.error("--ask adapter needs --adapter")
    prompts = json.loads(chosen.prompts_file.read_text())
    template = chosen.template_file.read_text() if chosen.template_file else None
    return Question(chosen.model, chosen.adapter, prompts, whom, chosen.plain, chosen.max_new_tokens, template)


if __name__ == "__main__":
    sys.exit(main())
