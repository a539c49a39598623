"""The model card that travels in the image: what the adapter is, what it learned from, how well, how to use it. Pure.

It tells of the training, not of the job: the same training has the same card, and so the same image.
"""

import json
from collections.abc import Mapping

from schemas.config import TrainingConfig
from schemas.records import AdapterManifest
from schemas.workspace import ResolvedSpec

_DETERMINED = ("loss", "perplexity", "accuracy")


def model_card(spec: ResolvedSpec, manifest: AdapterManifest, plot: str | None = None) -> bytes:
    """Write README.md, with the front matter that model hubs read; `plot` is the picture's name beside it."""
    sections = [
        _front_matter(manifest),
        f"# LoRA adapter for {spec.preset}",
        f"Method: {spec.method}. Base model: `{manifest.base_model}`, revision `{manifest.base_revision}`.",
        "## Data",
        f"Dataset digest `{manifest.dataset_digest}`, {manifest.trained_tokens:,} tokens trained on.",
        "## Result",
        _table(training_metrics(manifest.metrics)),
        *([f"![Training loss by step]({plot})"] if plot else []),
        "## Settings",
        f"```json\n{json.dumps(_settings(spec.config), indent=2, sort_keys=True)}\n```",
        "## Use",
        "With PEFT, once the image's `/data` is unpacked or `lorabus pull` has put its files into `adapter/`:",
        _peft(manifest),
        "With KAITO name the image under `inference.adapters[].source.image`; vLLM loads the folder as a LoRA module.",
    ]
    return ("\n\n".join(sections) + "\n").encode()


def training_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """What the training itself determines; how long it took is the machine's."""
    return {name: round(value, 4) for name, value in sorted(metrics.items()) if any(w in name for w in _DETERMINED)}


def _front_matter(manifest: AdapterManifest) -> str:
    return f"---\nbase_model: {json.dumps(manifest.base_model)}\nlibrary_name: peft\ntags:\n- lora\n---"


def _table(metrics: Mapping[str, float]) -> str:
    if not metrics:
        return "No figures were recorded."
    rows = [f"| {name} | {value:g} |" for name, value in metrics.items()]
    return "\n".join(["| figure | value |", "|---|---|", *rows])


def _settings(config: TrainingConfig) -> dict[str, object]:
    """LoRA's settings whole, of the other sections what the request set itself."""
    plain = config.model_dump(mode="json")
    given = {
        section: {name: plain[section][name] for name in names if name in plain[section]}
        for section, names in config.given.items()
        if section != "LoraConfig"
    }
    return {"LoraConfig": plain["LoraConfig"], **given}


def _peft(manifest: AdapterManifest) -> str:
    return (
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
        f"base = AutoModelForCausalLM.from_pretrained({manifest.base_model!r}, revision={manifest.base_revision!r})\n"
        'model = PeftModel.from_pretrained(base, "adapter")\n```'
    )
