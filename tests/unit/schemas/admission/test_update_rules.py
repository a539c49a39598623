"""Section 3 of KAITO's contract: what an update may change. What is judged on creation is judged again."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.admission import Verdict
from schemas.identity import job_id
from schemas.workspace import ResolvedSpec

Judge = Callable[..., Verdict]
Make = Callable[[dict[str, object]], dict[str, Any]]


@pytest.fixture(params=["document", "spec", "spec from JSON"])
def standing(request: pytest.FixtureRequest, workspace: Make, judge: Judge) -> Callable[..., Any]:
    """The right Workspace with changes, in each form in which an existing one can be known."""

    def make(changes: dict[str, object] | None = None, **rest: Any) -> Any:
        if request.param == "document":
            return workspace(changes or {})
        spec = judge(changes, **rest).spec
        assert spec is not None
        return spec if request.param == "spec" else ResolvedSpec.model_validate_json(spec.model_dump_json())

    return make


def test_the_same_again_is_the_same_job(judge: Judge, standing: Callable[..., Any]) -> None:
    first, second = judge().spec, judge(existing=standing()).spec
    assert first is not None
    assert second is not None
    assert job_id(first) == job_id(second)


@pytest.mark.parametrize("operator", ["In", "NotIn", "Exists"])
def test_the_same_again_is_the_same_job_whatever_nodes_it_selects(
    judge: Judge, standing: Callable[..., Any], operator: str
) -> None:
    """KAITO takes such a selector on creation; the same message, delivered twice, must not be refused."""

    def selecting(*values: str) -> dict[str, object]:
        expression = {"key": "gpu", "operator": operator, "values": list(values)}
        return {"resource.labelSelector": {"matchExpressions": [expression, {"key": "a", "operator": "Exists"}]}}

    assert judge(selecting("x", "y")).valid
    assert judge(selecting("x", "y"), existing=standing(selecting("x", "y"))).problems == ()
    problems = judge(selecting("x", "z"), existing=standing(selecting("x", "y"))).problems
    assert [problem.path for problem in problems] == ["resource.labelSelector"]


@pytest.mark.parametrize(
    "changes",
    [
        {"tuning.input": {"image": "registry.example.com/data:2"}},
        {"tuning.input": {"volumeSource": {"persistentVolumeClaim": {"claimName": "c"}}}},
        {"tuning.input": {"urls": ["https://b.com/y", "https://a.com/x"]}},
        {"tuning.input": {"image": "busybox", "imagePullSecrets": ["other"]}},
        {"tuning.output": {"volumeSource": {"persistentVolumeClaim": {"claimName": "c"}}}},
        {"tuning.output": {"image": "registry.example.com/other", "imagePushSecret": "other"}},
        {"tuning.config": "lora-params-template"},
        {"tuning.method": "LORA"},
        {"tuning.preset": {"name": "Phi-3-Mini-4K-Instruct", "accessMode": "public"}},
        {"tuning.preset": {"name": "phi-3-mini", "presetOptions": {"imagePullSecrets": []}}},
        {"metadata.labels": {"a": "b"}, "metadata.annotations": {"c": "d"}},
        {"resource.preferredNodes": ["a"]},
        {"resource.count": 1},
        {"resource.labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["tune-phi"]}]}},
        {"apiVersion": "kaito.sh/v1alpha1"},
    ],
)
def test_allowed(judge: Judge, standing: Callable[..., Any], changes: dict[str, object]) -> None:
    assert judge(changes, existing=standing()).problems == ()


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"tuning.preset": {"name": "phi-4"}}, "tuning.preset", ["Preset cannot be changed"]),
        ({"tuning.preset.accessMode": "private"}, "tuning.preset", ["Preset cannot be changed"]),
        (
            {"tuning.preset.presetOptions": {"image": "registry.example.com/x"}},
            "tuning.preset",
            ["Preset cannot be changed"],
        ),
        ({"tuning.method": "qlora"}, "tuning.method", ["Method cannot be changed"]),
        ({"tuning.input.name": "other"}, "tuning.input.name", ["During tuning Name field cannot be changed once set"]),
        ({"tuning.input": ...}, "tuning.input", ["missing field(s): tuning.Input"]),
        ({"tuning.output": ...}, "tuning.output", ["missing field(s): tuning.Output"]),
        ({"tuning": ...}, "tuning", ["Tuning field cannot be toggled once set"]),
        ({"inference": {}}, "inference", ["Inference field cannot be toggled once set"]),
        ({"tuning.input": {"image": "Bad"}}, "tuning.input.image", ["Unable to parse input image reference"]),
        ({"tuning.output.image": "Bad"}, "tuning.output.image", ["Unable to parse output image reference"]),
        ({"resource.count": 2}, "resource.count", ["field is immutable"]),
        ({"resource.partition": {"mode": "mig"}}, "resource.partition", ["field is immutable"]),
        ({"resource.labelSelector": {"matchLabels": {"app": "x"}}}, "resource.labelSelector", ["field is immutable"]),
        (
            {"resource.labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
            "resource.labelSelector",
            ["field is immutable", "Only allow matchLabels or 'IN' matchExpression"],
        ),
        (
            {"resource.instanceType": "Standard_NC6s_v3"},
            "resource.instanceType",
            ["instanceType cannot be changed once set"],
        ),
        ({"resource.instanceType": ...}, "resource.instanceType", ["instanceType is required"]),
        ({"metadata.name": "other"}, "metadata.name", ["default/tune-phi"]),
        ({"metadata.namespace": "team"}, "metadata.name", ["default/tune-phi"]),
    ],
)
def test_refused(
    judge: Judge, standing: Callable[..., Any], changes: dict[str, object], path: str, words: list[str]
) -> None:
    problems = judge(changes, existing=standing()).problems
    said = " ".join(problem.message for problem in problems if problem.path == path)
    assert all(word in said for word in words), problems


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tuning.input": {"urls": ["http://10.0.0.1/x"]}}, "tuning.input.urls[0]"),
        ({"tuning.input": {"urls": ["https://a.com/x"], "image": "busybox"}}, "tuning.input"),
        ({"tuning.output": {"image": "registry.example.com/x"}}, "tuning.output.imagePushSecret"),
        ({"tuning.config": "nowhere"}, "tuning.config"),
    ],
)
@pytest.mark.parametrize("version", ["kaito.sh/v1alpha1", "kaito.sh/v1beta1"])
def test_updates_are_judged_like_creations(
    judge: Judge, standing: Callable[..., Any], changes: dict[str, object], path: str, version: str
) -> None:
    problems = judge(changes | {"apiVersion": version}, existing=standing({"apiVersion": version})).problems
    assert [problem.path for problem in problems] == [path]


def test_an_input_name_cannot_be_taken_away(judge: Judge, standing: Callable[..., Any]) -> None:
    verdict = judge(existing=standing({"tuning.input.name": "first"}))
    assert [problem.path for problem in verdict.problems] == ["tuning.input.name"]


def test_without_provisioning_an_instance_type_may_only_go(judge: Judge, workspace: Make) -> None:
    existing = workspace({})
    assert judge({"resource.instanceType": ...}, existing=existing, node_auto_provisioning=False).valid
    assert judge(existing=existing, node_auto_provisioning=False).valid
    other = judge({"resource.instanceType": "x"}, existing=existing, node_auto_provisioning=False)
    assert "cannot be changed once set" in other.problems[0].message
    none_before = workspace({"resource.instanceType": ...})
    verdict = judge(existing=none_before, node_auto_provisioning=False)
    assert "must be empty when node auto-provisioning is disabled" in verdict.problems[0].message


@pytest.mark.parametrize("existing", [{}, {"tuning": "x", "resource": [], "metadata": 4}, {1: 2}])
def test_an_existing_one_that_is_broken_does_not_break_the_check(judge: Judge, existing: dict[object, object]) -> None:
    assert judge(existing=existing).problems
