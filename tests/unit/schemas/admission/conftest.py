"""A Workspace that is right, and ways to spoil it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from schemas.admission import Verdict, admit

Changes = Mapping[str, object]

_RIGHT: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "tune-phi"},
    "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"app": "tune-phi"}}},
    "tuning": {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "lora",
        "input": {"urls": ["https://data.example.com/rows.jsonl"]},
        "output": {"image": "registry.example.com/adapters/phi:1", "imagePushSecret": "push"},
    },
}


def changed(changes: Changes) -> dict[str, Any]:
    """The right Workspace with values put at dotted paths; `...` takes a field away."""
    made = copy.deepcopy(_RIGHT)
    for path, value in changes.items():
        *parents, last = path.split("/") if "/" in path else path.split(".")
        where = made
        for parent in parents:
            where = where.setdefault(parent, {})
        if value is ...:
            where.pop(last, None)
        else:
            where[last] = value
    return made


@pytest.fixture
def workspace() -> Callable[[Changes], dict[str, Any]]:
    return changed


@pytest.fixture
def judge() -> Callable[..., Verdict]:
    """Admits the right Workspace with some changes. `training_config` becomes the ConfigMap that it names."""

    def judge_changed(changes: Changes | None = None, *, training_config: str | None = None, **rest: Any) -> Verdict:
        made = changed(changes or {})
        if training_config is not None:
            made["tuning"]["config"] = "mine"
            rest["config_maps"] = {"mine": {"training_config.yaml": training_config}}
        return admit(made, **rest)

    return judge_changed


@pytest.fixture
def refused(judge: Callable[..., Verdict]) -> Callable[..., str]:
    """Expects one problem, at a path, and gives its message."""

    def message_at(path: str, changes: Changes | None = None, **rest: Any) -> str:
        verdict = judge(changes, **rest)
        assert not verdict.valid
        assert verdict.spec is None
        at_path = [problem.message for problem in verdict.problems if problem.path == path]
        assert len(at_path) == 1, verdict.problems
        assert len(verdict.problems) == 1, verdict.problems
        return at_path[0]

    return message_at
