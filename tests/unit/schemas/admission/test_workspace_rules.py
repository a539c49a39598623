"""Sections 1 and 2.1 of KAITO's contract: what surrounds `tuning`."""

from collections.abc import Callable

import pytest

from schemas.admission import Verdict, admit

Judge = Callable[..., Verdict]
Refused = Callable[..., str]

ANNOTATIONS = "metadata.annotations"


def test_the_right_workspace_is_valid(judge: Judge) -> None:
    verdict = judge()
    assert verdict.valid
    assert verdict.problems == ()
    assert (verdict.namespace, verdict.name) == ("default", "tune-phi")


@pytest.mark.parametrize("version", ["kaito.sh/v1alpha1", "kaito.sh/v1beta1"])
def test_both_versions_are_taken(judge: Judge, version: str) -> None:
    assert judge({"apiVersion": version}).valid


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"apiVersion": "kaito.sh/v1"}, "apiVersion", ["invalid value", "kaito.sh/v1beta1"]),
        ({"apiVersion": ...}, "apiVersion", ["invalid value"]),
        ({"apiVersion": "kaito.sh/v1beta2"}, "apiVersion", ["did you mean 'kaito.sh/v1beta1'"]),
        ({"kind": "Workspaces"}, "kind", ["must be Workspace"]),
        ({"metadata.name": "Upper"}, "metadata.name", ["invalid value", "name"]),
        ({"metadata.name": "with.dot"}, "metadata.name", ["invalid value", "RFC 1123"]),
        ({"metadata.name": "a" * 64}, "metadata.name", ["invalid value", "63"]),
        ({"metadata.name": "-a"}, "metadata.name", ["invalid value"]),
        ({"metadata.name": ...}, "metadata.name", ["invalid value"]),
        ({"metadata.name": "a\nb"}, "metadata.name", ["invalid value"]),
        ({"metadata.namespace": "../x"}, "metadata.namespace", ["invalid value", "namespace"]),
        ({"metadata.label": {}}, "metadata.label", ["unknown field", "'labels'"]),
        ({"metadata.labels": {"a": 1}}, "metadata.labels[a]", ["text", "quotes"]),
        ({"tunning": {}}, "tunning", ["unknown field", "did you mean 'tuning'"]),
        ({"spec": {}}, "spec", ["no spec", "top level"]),
        ({"tuning": ...}, "", ["not neither"]),
        ({"inference": {}}, "", ["but not both"]),
        ({"inference": {"preset": {"name": "phi-4"}}, "tuning": ...}, "inference", ["KAITO"]),
        (
            {"resource.instanceType": ...},
            "resource.instanceType",
            ["instanceType is required when node auto-provisioning is enabled"],
        ),
        ({"resource.count": 2}, "resource.count", ["Tuning does not currently support multinode configurations"]),
        ({"resource.count": "1"}, "resource.count", ["expected an integer"]),
        ({"resource.count": True}, "resource.count", ["expected an integer"]),
        (
            {"resource.partition": {"mode": "mig"}},
            "resource.partition",
            ["GPU partitioning is not supported for tuning workloads"],
        ),
        ({"resource.labelSelector": ...}, "resource.labelSelector", ["missing field(s)", "labelSelector"]),
        ({"resource.labelSelector": "app"}, "resource.labelSelector", ["expected a map", "text"]),
        ({"resource.labelSelector": {"matchLabel": {}}}, "resource.labelSelector.matchLabel", ["'matchLabels'"]),
        (
            {"resource.labelSelector": {"matchLabels": {"gpu": True}}},
            "resource.labelSelector.matchLabels[gpu]",
            ["quotes"],
        ),
        (
            {"resource.labelSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
            "resource.labelSelector.matchExpressions[0].operator",
            ["DoesNotExist", "In", "NotIn"],
        ),
        ({"resource.labelSelector": {"matchExpressions": 1}}, "resource.labelSelector.matchExpressions", ["a list"]),
        (
            {ANNOTATIONS: {"kaito.sh/node-image-family": "windows"}},
            "metadata.annotations[kaito.sh/node-image-family]",
            ["unsupported node image family", "azurelinux, ubuntu"],
        ),
        (
            {ANNOTATIONS: {"kaito.sh/performance-mode": "fast"}},
            "metadata.annotations[kaito.sh/performance-mode]",
            ["not a valid performance mode", "balanced, interactivity, throughput"],
        ),
        (
            {ANNOTATIONS: {"kaito.sh/use-local-weights": "True"}},
            "metadata.annotations[kaito.sh/use-local-weights]",
            ['must be "true" or "false"'],
        ),
        ({"resource.instanceTypes": "x"}, "resource.instanceTypes", ["did you mean 'instanceType'"]),
        ({"resource.preferredNodes": "node"}, "resource.preferredNodes", ["a list"]),
    ],
)
def test_refused(refused: Refused, changes: dict[str, object], path: str, words: list[str]) -> None:
    message = refused(path, changes)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata.name": "a" * 63},
        {"metadata.namespace": "team-a"},
        {"metadata.annotations": {"kaito.sh/node-image-family": " Ubuntu "}},
        {"metadata.annotations": {"kaito.sh/performance-mode": "balanced", "kaito.sh/use-local-weights": "true"}},
        {"metadata.annotations": {"anything/else": "x"}},
        {
            "metadata.creationTimestamp": None,
            "metadata.uid": "x",
            "metadata.managedFields": [],
            "status": {"state": "x"},
        },
        {"resource.count": 1, "resource.preferredNodes": ["node-1"]},
        {"resource.instanceType": "no-such-machine", "tuning.preset": {"name": "falcon-40b"}},
        {"resource.labelSelector": {}},
        {"resource.labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}},
        {"apiVersion": "kaito.sh/v1alpha1", "resource.instanceType": ...},
    ],
)
def test_taken(judge: Judge, changes: dict[str, object]) -> None:
    assert judge(changes).problems == ()


def test_without_node_auto_provisioning_there_must_be_no_instance_type(judge: Judge, refused: Refused) -> None:
    message = refused("resource.instanceType", node_auto_provisioning=False)
    assert "instanceType must be empty when node auto-provisioning is disabled" in message
    assert judge({"resource.instanceType": ...}, node_auto_provisioning=False).valid


@pytest.mark.parametrize("value", [None, [], "text", 3, True, {}, {1: 2}])
def test_what_is_no_workspace_is_told_so(value: object) -> None:
    verdict = admit(value)
    assert not verdict.valid
    assert verdict.problems


def test_every_problem_is_reported_at_once(judge: Judge) -> None:
    verdict = judge(
        {
            "metadata.name": "A",
            "resource.count": 3,
            "tuning.method": "full",
            "tuning.preset": {"name": "gpt"},
            "tuning.input": {"urls": ["ftp://x.com/a"], "image": "A"},
            "tuning.output": {"image": "B"},
        }
    )
    assert {problem.path for problem in verdict.problems} == {
        "metadata.name",
        "resource.count",
        "tuning.method",
        "tuning.preset.name",
        "tuning.input",
        "tuning.input.urls[0]",
        "tuning.input.image",
        "tuning.output.image",
        "tuning.output.imagePushSecret",
    }


def test_a_hostile_number_of_problems_stays_small(judge: Judge) -> None:
    verdict = judge({"tuning.input": {"urls": ["x"] * 1000}})
    assert len(verdict.problems) <= 101
    assert "no more than 100 problems are listed" in verdict.problems[-1].message
    verdict = judge({f"metadata/{'x' * 2000}{number}": 1 for number in range(2000)})
    assert len(verdict.problems) <= 101
    assert sum(len(problem.path) + len(problem.message) for problem in verdict.problems) < 100_000
