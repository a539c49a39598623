"""Target modules against what architectures really have: fused projections above all."""

from collections.abc import Callable

import pytest

from schemas.admission import Verdict

Judge = Callable[..., Verdict]
SPLIT = "[q_proj, k_proj, v_proj, o_proj, gate_proj, down_proj, up_proj]"


@pytest.fixture
def targeted(judge: Judge) -> Callable[[str, str], Verdict]:
    def judge_modules(preset: str, modules: str) -> Verdict:
        text = f"training_config: {{LoraConfig: {{target_modules: {modules}}}}}"
        return judge({"tuning.preset": {"name": preset}}, training_config=text)

    return judge_modules


@pytest.mark.parametrize(
    ("preset", "modules", "expected"),
    [
        ("phi-3-mini-4k-instruct", "null", ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")),
        ("phi-3-mini-4k-instruct", SPLIT, ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")),
        ("phi-4-mini-instruct", "[qkv_proj, o_proj]", ("qkv_proj", "o_proj")),
        ("phi-4", "[self_attn.q_proj]", ("self_attn.qkv_proj",)),
        ("falcon-7b", "query_key_value", ("query_key_value",)),
        ("falcon-40b", "null", ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")),
        ("phi-2", "null", ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")),
        ("tiny", "'q_proj, v_proj'", ("q_proj", "v_proj")),
        ("tiny", "[q_proj, embed_tokens]", ("q_proj", "embed_tokens")),
        ("falcon-7b", "[transformer.word_embeddings]", ("transformer.word_embeddings",)),
        ("tiny", "all-linear", "all-linear"),
        ("tiny", r"'.*layers\.[01]\.self_attn\.(q|v)_proj'", r".*layers\.[01]\.self_attn\.(q|v)_proj"),
        ("org/model", "'.*_proj'", ".*_proj"),
        ("org/model", "[anything]", ("anything",)),
        ("org/model", "null", None),
    ],
)
def test_modules_that_are_tuned(
    targeted: Callable[[str, str], Verdict], preset: str, modules: str, expected: object
) -> None:
    spec = targeted(preset, modules).spec
    assert spec is not None
    assert spec.config.lora.target_modules == expected


@pytest.mark.parametrize(
    ("preset", "modules", "words"),
    [
        ("tiny", "[]", ["the list is empty", "q_proj"]),
        ("org/model", "[]", ["the list is empty", "all linear modules"]),
        ("tiny", "[q_proj, lm_head]", ["lm_head: the output head", "modules_to_save"]),
        ("org/model", "[embed_out]", ["embed_out: the output head", "modules_to_save"]),
        ("tiny", "[word_embeddings]", ["word_embeddings not found in tiny"]),
        ("falcon-7b", "[embed_tokens]", ["embed_tokens not found in falcon-7b"]),
        ("phi-4", "[fc1]", ["fc1 not found in phi-4", "qkv_proj"]),
    ],
)
def test_modules_that_no_training_could_take_are_refused_at_the_door(
    targeted: Callable[[str, str], Verdict], preset: str, modules: str, words: list[str]
) -> None:
    problems = targeted(preset, modules).problems
    assert [problem.path for problem in problems] == ["tuning.config.training_config.LoraConfig.target_modules"]
    for word in words:
        assert word in problems[0].message


def test_a_module_that_is_part_of_a_fused_one_is_said(targeted: Callable[[str, str], Verdict]) -> None:
    warnings = targeted("phi-4", SPLIT).warnings
    assert [text for text in warnings if "computes q_proj, k_proj, v_proj, gate_proj, up_proj together" in text]


@pytest.mark.parametrize(
    ("preset", "fields", "warned"),
    [
        ("phi-4", "rank_pattern: {q_proj: 4, o_proj: 4}", ["LoraConfig.rank_pattern: has no effect: q_proj not found"]),
        ("falcon-7b", "exclude_modules: [o_proj]", ["LoraConfig.exclude_modules: has no effect: o_proj not found"]),
        ("tiny", "alpha_pattern: {layers.0.self_attn.q_proj: 4}", []),
        ("tiny", "exclude_modules: [lm_head, embed_tokens]", []),
        ("org/model", "alpha_pattern: {anything: 4}", []),
    ],
)
def test_names_that_peft_would_pass_over_are_warned_about(
    judge: Judge, preset: str, fields: str, warned: list[str]
) -> None:
    text = f"training_config: {{LoraConfig: {{{fields}}}}}"
    verdict = judge({"tuning.preset": {"name": preset}}, training_config=text)
    assert verdict.problems == ()
    said = [text for text in verdict.warnings if text.startswith("LoraConfig.")]
    assert [text[: len(start)] for text, start in zip(said, warned, strict=True)] == warned


def test_modules_of_which_the_model_has_none_are_refused(targeted: Callable[[str, str], Verdict]) -> None:
    problems = targeted("falcon-7b", "[query_key_values, c_attn]").problems
    assert [problem.path for problem in problems] == ["tuning.config.training_config.LoraConfig.target_modules"]
    assert "Target modules query_key_values, c_attn not found in falcon-7b" in problems[0].message
    assert "did you mean 'query_key_value'" in problems[0].message


@pytest.mark.parametrize("pattern", ["'(q|v_proj'", "'a{99999999999}'", "'(q|v)_proj, o_proj'", "'" + "(" * 1025 + "'"])
def test_a_pattern_that_is_none_is_refused(targeted: Callable[[str, str], Verdict], pattern: str) -> None:
    problems = targeted("tiny", pattern).problems
    assert [problem.path for problem in problems] == ["tuning.config.training_config.LoraConfig.target_modules"]


def test_modules_of_which_the_model_has_some_pass_with_a_warning(targeted: Callable[[str, str], Verdict]) -> None:
    verdict = targeted("tiny", "[q_proj, c_attn]")
    assert verdict.spec is not None
    assert verdict.spec.config.lora.target_modules == ("q_proj",)
    assert [text for text in verdict.warnings if "c_attn not found in tiny" in text]
