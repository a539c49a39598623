"""What to do with a published adapter, as lines to copy. Pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from services.ingest.pages.view import JobView

VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes, from its default on."""
LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class Recipe:
    """`lines` are for the shell or a file; `what` names them for people who see only the button."""

    key: str
    title: str
    what: str
    lines: str


def recipes(view: JobView) -> list[Recipe]:
    """Pull, KAITO and vLLM, as far as the way of publishing allows them; none before the job has succeeded."""
    image = (view.of("job.succeeded") or {}).get("image")
    if not isinstance(image, Mapping):
        return []
    accepted = view.of("job.accepted") or {}
    spec: Mapping[str, Any] = accepted.get("spec") or {}
    name = str(accepted.get("name") or "adapter")
    found = [Recipe("pull", "Pull the two files", "the command that pulls the adapter", pull(view.job_id, name))]
    if _of(spec, "output").get("kind") == "image":
        found.append(Recipe("kaito", "KAITO inference", "the KAITO Workspace", kaito(accepted, image, spec)))
    return [*found, Recipe("vllm", "vLLM", "the vLLM command", vllm(view.job_id, name, spec))]


def pull(job_id: str, name: str) -> str:
    """The command that downloads and verifies both files."""
    return f"lorabus pull {shlex.quote(job_id)} -o {shlex.quote(f'./{name}')}"


def kaito(accepted: Mapping[str, Any], image: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """A Workspace for inference. No `strength`: KAITO's vLLM runtime refuses it, and its default is what is wanted."""
    name = str(accepted.get("name"))
    label = f"{name[: LONGEST_LABEL - len('-inference')]}-inference"
    secret = _of(spec, "output").get("pushSecret")
    source = {"name": name, "image": image.get("reference"), **({"imagePullSecrets": [secret]} if secret else {})}
    workspace = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": label},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": label}},
        },
        "inference": {"preset": {"name": accepted.get("preset")}, "adapters": [{"source": source}]},
    }
    return yaml.safe_dump(workspace, sort_keys=False, width=1000).rstrip()


def vllm(job_id: str, name: str, spec: Mapping[str, Any]) -> str:
    """Pull, then serve the base model with the adapter as a model of its own name."""
    model = _of(spec, "model")
    rank = _of(_of(spec, "config"), "LoraConfig").get("r")
    served = [
        f"vllm serve {shlex.quote(str(model.get('repository') or 'MODEL'))}",
        *([f"--revision {shlex.quote(str(model['revision']))}"] if model.get("revision") else []),
        "--enable-lora",
        *_max_rank(rank),
        f"--lora-modules {shlex.quote(f'{name}=./{name}')}",
    ]
    return f"{pull(job_id, name)}\n" + " \\\n  ".join(served)


def _max_rank(rank: object) -> list[str]:
    if not isinstance(rank, int) or rank <= VLLM_RANKS[0]:
        return []
    return [f"--max-lora-rank {next((allowed for allowed in VLLM_RANKS if allowed >= rank), rank)}"]


def _of(mapping: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = mapping.get(name)
    return found if isinstance(found, Mapping) else {}
