"""A map inside a section is what KAITO's parser makes of it: `outer: {inner: value}` is the field `outer_inner`."""

from collections.abc import Callable

import pytest

from schemas.admission import Verdict

Judge = Callable[..., Verdict]


def admitted(judge: Judge, section: str, values: str) -> Verdict:
    return judge(training_config=f"training_config:\n  {section}: {values}\n")


@pytest.mark.parametrize(
    ("section", "nested", "flat"),
    [
        ("TrainingArguments", "{learning: {rate: 0.1}}", "{learning_rate: 0.1}"),
        ("LoraConfig", "{lora: {alpha: 32, dropout: 0.1}, r: 4}", "{lora_alpha: 32, lora_dropout: 0.1, r: 4}"),
        (
            "TrainingArguments",
            "{per: {device: {train: {batch_size: 2}, eval_batch_size: 4}}, lr: {scheduler: {kwargs: {a: {b: 1}}}}}",
            "{per_device_train_batch_size: 2, per_device_eval_batch_size: 4, lr_scheduler_kwargs: {a: {b: 1}}}",
        ),
        ("ModelConfig", "{chat: {template: '{{ messages }}'}}", "{chat_template: '{{ messages }}'}"),
    ],
)
def test_both_spellings_are_the_same_spec(judge: Judge, section: str, nested: str, flat: str) -> None:
    made, expected = admitted(judge, section, nested), admitted(judge, section, flat)
    assert made.problems == ()
    assert made.spec is not None
    assert made.spec == expected.spec


def test_a_field_that_takes_a_map_keeps_it(judge: Judge) -> None:
    spec = admitted(judge, "TrainingArguments", "{lr_scheduler_kwargs: {num_cycles: 2}}").spec
    assert spec is not None
    assert spec.config.training.as_kwargs()["lr_scheduler_kwargs"] == {"num_cycles": 2}


@pytest.mark.parametrize(
    ("values", "path", "words"),
    [
        ("{lora_alpha: 8, lora: {alpha: 32}}", "lora_alpha", "given twice"),
        ("{lora: {alpha: 32}, lora_alpha: 8}", "lora_alpha", "given twice"),
        ("{lora: {alfa: 32}}", "lora", "unknown field 'lora'"),
        ("{lora: {}}", "lora", "unknown field 'lora'"),
        ("{lora: {alpha: [1]}}", "lora_alpha", "invalid value"),
    ],
)
def test_what_makes_no_field_is_refused_by_its_name(judge: Judge, values: str, path: str, words: str) -> None:
    problems = admitted(judge, "LoraConfig", values).problems
    assert [(problem.path.rsplit(".", 1)[-1], words in problem.message) for problem in problems] == [(path, True)]
