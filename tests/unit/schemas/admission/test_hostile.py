"""Requests that are meant to hurt: judged like any other, in bounded time."""

import json
import time
from collections.abc import Callable

import pytest

from schemas.admission import Verdict, admit
from schemas.problems import MAX_REPORTED, Findings

Judge = Callable[..., Verdict]
MANY = 100_000


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tuning.input": {"urls": ["https://a.com/x"] * MANY}}, "tuning.input.urls"),
        (
            {"tuning.input": {"image": "a", "imagePullSecrets": [str(n) for n in range(MANY)]}},
            "tuning.input.imagePullSecrets",
        ),
        ({"tuning.input": {"image": "a" * 2_000_000}}, "tuning.input.image"),
        ({"tuning.input": {"urls": ["https://" + "a." * 1_000_000]}}, "tuning.input.urls[0]"),
        ({"tuning.input.name": "a." * 1_000_000}, "tuning.input.name"),
        ({"tuning.preset": {"name": "a/" * 1_000_000}}, "tuning.preset.name"),
        ({"tuning.method": "lora" * 500_000}, "tuning.method"),
        ({"tuning.config": "x" * 2_000_000}, "tuning.config"),
        ({"tuning.output.imagePushSecret": "x" * 2_000_000}, "tuning.output.imagePushSecret"),
        ({"metadata.name": "a" * 2_000_000}, "metadata.name"),
        ({"metadata.name": "a\x1b[2J"}, "metadata.name"),
        ({"metadata.annotations": {"kaito.sh/performance-mode": "x" * 2_000_000}}, None),
        ({"resource.count": 10**1000}, "resource.count"),
        ({"resource.labelSelector": {"matchExpressions": [{}] * MANY}}, None),
        ({"tuning.input": {"volumeSource": {"hostPath": {"path": "/" * 2_000_000}}}}, None),
        ({"tuning.input": {"volumeSource": {str(n): {} for n in range(MANY)}}}, None),
    ],
)
def test_huge_values(judge: Judge, changes: dict[str, object], path: str | None) -> None:
    before = time.process_time()
    verdict = judge(changes)
    assert time.process_time() - before < 2
    assert not verdict.valid
    if path:
        assert path in {problem.path for problem in verdict.problems}
    assert sum(len(problem.path) + len(problem.message) for problem in verdict.problems) < 100_000
    assert all(problem.message.isprintable() for problem in verdict.problems)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "training_config: {LoraConfig: {a: &a [x,x,x,x], b: &b [*a,*a,*a,*a]" + ", c: [*b,*b,*b]" * 9000 + "}}",
            "values once|twice",
        ),
        ("training_config: [" + "a," * 100_000 + "]", "values once"),
        ("training_config: {LoraConfig: {r: " + "[" * 1000, "levels deep"),
        ("training_config: {LoraConfig: {r: " + "9" * 10_000 + "}}", "expected an integer"),
        ("training_config: {ModelConfig: {chat_template: '" + "{{x}}" * 30_000 + "'}}", "at most 65536"),
        ("x" * 300_000, "larger than 256 KiB"),
        ("training_config: {LoraConfig: {target_modules: [" + "a," * 10_001 + "]}}", "a list"),
        (
            json.dumps({"training_config": {"TrainingArguments": {f"{'learning_rat' * 5}{n}": 1 for n in range(900)}}}),
            "unknown field",
        ),
        (json.dumps({"training_config": {f"LoraConfi{n}": 1 for n in range(900)}}), "Unrecognized section"),
    ],
)
def test_huge_configurations(judge: Judge, text: str, words: str) -> None:
    before = time.process_time()
    verdict = judge(training_config=text)
    assert time.process_time() - before < 2
    assert any(word in problem.message for problem in verdict.problems for word in words.split("|"))
    assert len(verdict.problems) <= 101


@pytest.mark.parametrize("junk", [None, True, 0, 1.5, "x", [], {}, [[]], {"a": {"b": []}}, {1: 2}, [None], "\ud800"])
def test_any_type_at_any_place(judge: Judge, junk: object) -> None:
    """Nothing but a verdict comes back, whatever stands where."""
    places = [
        *("apiVersion", "kind", "metadata", "resource", "tuning", "inference", "status"),
        *("metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations"),
        *("resource.count", "resource.instanceType", "resource.labelSelector", "resource.partition"),
        *("resource.labelSelector.matchLabels", "resource.labelSelector.matchExpressions", "resource.preferredNodes"),
        *("tuning.preset", "tuning.preset.name", "tuning.preset.accessMode", "tuning.preset.presetOptions"),
        *("tuning.method", "tuning.config", "tuning.input", "tuning.output", "tuning.input.name", "tuning.input.urls"),
        *("tuning.input.image", "tuning.input.volumeSource", "tuning.input.imagePullSecrets"),
        *("tuning.output.image", "tuning.output.imagePushSecret", "tuning.output.volumeSource"),
    ]
    for place in places:
        verdict = judge({place: junk})
        assert verdict.valid == (verdict.problems == ())
        assert (verdict.spec is not None) == verdict.valid
        if isinstance(junk, dict):
            judge(existing={place.partition(".")[0]: junk})


@pytest.mark.parametrize(
    "junk", ["null", "true", "3", "1.5", "x", "[]", "{}", "[[1]]", "{a: {b: []}}", "{1: 2}", "2020-01-01"]
)
def test_any_type_in_any_section(judge: Judge, junk: str) -> None:
    from schemas.admission.sections import known_fields
    from schemas.field_tables import SECTIONS

    for section in SECTIONS:
        judge(training_config=f"training_config: {{{section}: {junk}}}")
        for field in sorted(known_fields(section)):
            verdict = judge(training_config=f"training_config: {{{section}: {{{field}: {junk}}}}}")
            assert (verdict.spec is not None) == (verdict.problems == ())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{a: " + "9" * 30 + "}", "ordinary size"),
        ("{a: [1, {b: " + "9" * 399 + "}]}", "ordinary size"),
        ("{a: .nan}", "ordinary size"),
        ("{a: -.inf}", "ordinary size"),
        ("{a: {1: 2}}", "text as keys"),
        ("{a: " * 20 + "1" + "}" * 20, "levels"),
        ('\'{"a": "\\ud800"}\'', "U+D800 is not text"),
        ('\'{"a": "\\u0000"}\'', "U+0000 is not text"),
        ('\'{"a": 1, "a": 2}\'', "stands twice"),
        ("'{\"a\": NaN}'", "not a JSON number"),
        ('\'{"a": ' + "9" * 4000 + "}'", "400 digits"),
        ("'" + '{"a":' * 900 + "1" + "}" * 900 + "'", "levels deep"),
        ("'{no json}'", "expected a map"),
    ],
)
@pytest.mark.parametrize("field", ["lr_scheduler_kwargs", "gradient_checkpointing_kwargs"])
def test_a_map_of_anything_holds_only_what_travels_as_json(judge: Judge, field: str, value: str, words: str) -> None:
    """Otherwise the spec cannot be written down, or comes back as another one."""
    verdict = judge(training_config=f"training_config: {{TrainingArguments: {{{field}: {value}}}}}")
    assert [words in problem.message for problem in verdict.problems] == [True]


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": {"preferredNodes": [0] * MANY}},
        {"resource": {"labelSelector": {"matchLabels": {str(n): n for n in range(MANY)}}}},
        {"resource": {"labelSelector": {"matchExpressions": [0] * MANY}}},
    ],
)
def test_nothing_is_read_on_once_the_list_of_problems_is_full(
    judge: Judge, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingest reads nothing else meanwhile."""
    refused: list[str] = []
    refuse = Findings.refuse

    def noted(findings: Findings, path: str, message: str) -> None:
        refused.append(path)
        refuse(findings, path, message)

    monkeypatch.setattr(Findings, "refuse", noted)
    judge(changes)
    assert MAX_REPORTED <= len(refused) < 2 * MAX_REPORTED


def test_a_value_inside_itself_comes_to_an_end() -> None:
    loop: dict[str, object] = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace"}
    loop["tuning"] = loop
    loop["metadata"] = loop
    assert not admit(loop).valid
