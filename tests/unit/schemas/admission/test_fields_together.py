"""Combinations of fields that the libraries, and KAITO with them, refuse only once the model is loaded."""

from collections.abc import Callable

import pytest

from schemas.admission import Verdict

Judge = Callable[..., Verdict]


@pytest.mark.parametrize(
    ("arguments", "dataset", "path", "words"),
    [
        ("bf16: true, fp16: true", "", "fp16", ["exclude each other"]),
        ("eval_strategy: epoch", "train_test_split: 1", "eval_strategy", ["train_test_split is 1"]),
        ("load_best_model_at_end: true, save_strategy: epoch", "", "load_best_model_at_end", ["the same"]),
        ("load_best_model_at_end: true, save_strategy: 'no'", "", "load_best_model_at_end", ["eval_strategy"]),
        ("lr_scheduler_type: reduce_lr_on_plateau", "", "lr_scheduler_type", ["follows the evaluation's loss"]),
        ("lr_scheduler_type: greedy", "", "lr_scheduler_type", ["follows the evaluation's loss"]),
        ("save_strategy: best, eval_strategy: steps", "", "save_strategy", ["metric_for_best_model"]),
        ("packing: true, max_length: null", "", "max_length", ["packing needs a max_length"]),
    ],
)
def test_fields_that_do_not_go_together(
    judge: Judge, arguments: str, dataset: str, path: str, words: list[str]
) -> None:
    text = f"training_config: {{TrainingArguments: {{{arguments}}}, DatasetConfig: {{{dataset}}}}}"
    problems = judge(training_config=text).problems
    assert [problem.path for problem in problems] == [f"tuning.config.training_config.TrainingArguments.{path}"]
    assert all(word in problems[0].message for word in words)


@pytest.mark.parametrize(
    ("lora", "path", "words"),
    [
        ("layers_pattern: [layers]", "layers_pattern", ["needs layers_to_transform"]),
        ("layers_to_transform: [0], target_modules: all-linear", "layers_to_transform", ["a list of names"]),
        ("init_lora_weights: pissa", "init_lora_weights", ["changes the base weights", "gaussian"]),
        ("init_lora_weights: olora", "init_lora_weights", ["changes the base weights", "gaussian"]),
    ],
)
def test_an_adapter_that_its_library_refuses_only_at_the_model(
    judge: Judge, lora: str, path: str, words: list[str]
) -> None:
    text = f"training_config: {{QuantizationConfig: {{load_in_4bit: true}}, LoraConfig: {{{lora}}}}}"
    problems = judge({"tuning.method": "qlora"}, training_config=text).problems
    assert [problem.path for problem in problems] == [f"tuning.config.training_config.LoraConfig.{path}"]
    assert all(word in problems[0].message for word in words)


def test_a_length_beyond_the_model_s_context_is_a_warning(judge: Judge) -> None:
    verdict = judge(training_config="training_config: {TrainingArguments: {max_length: 8192}}")
    assert verdict.valid
    assert [warning for warning in verdict.warnings if "4096" in warning]
