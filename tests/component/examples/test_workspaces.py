"""Every Workspace in examples/ is one that lorabus admits, without a warning."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.admission import Verdict, admit
from schemas.identity import job_id

EXAMPLES = Path(__file__).parents[3] / "examples"


def verdict(name: str) -> Verdict:
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((EXAMPLES / name).read_text()))
    workspace = next(one for one in documents if one["kind"] == "Workspace")
    config_maps = {one["metadata"]["name"]: one["data"] for one in documents if one["kind"] == "ConfigMap"}
    return admit(workspace, config_maps=config_maps, secret_exists=lambda _: True)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_it_is_admitted_without_a_word(name: str) -> None:
    given = verdict(name)
    assert given.problems == ()
    assert given.warnings == ()


def test_the_demo_and_the_registry_example_are_two_jobs() -> None:
    demo, registry = verdict("tune-python-docs.yaml").spec, verdict("tune-python-docs-registry.yaml").spec
    assert demo is not None
    assert registry is not None
    assert job_id(demo) != job_id(registry)
    assert (demo.output.kind, registry.output.kind) == ("volume", "image")
