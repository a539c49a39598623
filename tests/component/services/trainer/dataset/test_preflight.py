"""From staged files to tokens on disk: what is told, kept, dropped and cached."""

import json
from collections.abc import Awaitable, Callable

import pytest

from schemas.events.dataset import DatasetChecked
from schemas.failures import Reason
from services.common.object_store import ObjectStore
from services.trainer.dataset import preflight as module
from services.trainer.dataset.packs import PACKS, read_packs
from services.trainer.dataset.preflight import DatasetRefused, Preflight
from services.trainer.dataset.problems import Code
from services.trainer.dataset.tokens import EVAL, NOT_TRAINED, TRAIN, Tokens

Run = Callable[..., Awaitable[Preflight]]
pytestmark = pytest.mark.usefixtures("in_process")


def rows(count: int, start: int = 0) -> str:
    lines = [
        {"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(start, start + count)
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def tokens_of(checked: Preflight, split: str = TRAIN) -> list[tuple[list[int], list[int]]]:
    tokens = Tokens(checked.tokens_folder / split)
    return [(ids.tolist(), labels.tolist()) for ids, labels in map(tokens.row, range(len(tokens)))]


async def refused(checking: Awaitable[Preflight], reason: Reason) -> DatasetRefused:
    with pytest.raises(DatasetRefused) as caught:
        await checking
    assert caught.value.reason is reason
    return caught.value


async def test_good_rows_become_tokens_with_labels_on_the_answers(run: Run) -> None:
    checked = await run({"a.jsonl": rows(10)})
    found = tokens_of(checked)
    assert len(found) == 10
    assert all(0 < sum(label != NOT_TRAINED for label in labels) < len(ids) for ids, labels in found)
    assert checked.facts["format"] == "jsonl prompt-completion"
    assert (checked.facts["rows"], checked.facts["eval_rows"], checked.facts["problem_count"]) == (10, 0, 0)
    assert checked.data.tokens == sum(len(ids) for ids, _ in found)
    assert checked.data.longest == max(len(ids) for ids, _ in found)
    assert checked.data.trained_tokens == sum(label != NOT_TRAINED for _, labels in found for label in labels)


async def test_the_preview_shows_which_words_are_trained_on(run: Run) -> None:
    checked = await run({"a.jsonl": rows(1)})
    row = checked.facts["preview"][0]  # type: ignore[index]
    assert row.stretches[0] == (False, "<|begin|><|user|>question 0<|end|><|assistant|>")
    assert row.stretches[1] == (True, "answer 0<|end|>")


async def test_all_files_count_whatever_their_formats(run: Run) -> None:
    files = {
        "a.jsonl": rows(3),
        "b.csv": "text\nsome words\nmore words\n",
        "c.json": '[{"instruction":"i","output":"o"}]',
    }
    checked = await run(files)
    assert checked.facts["rows"] == 6
    assert checked.facts["format"] == "jsonl prompt-completion, csv text, json alpaca"


async def test_a_path_chooses_among_the_files(run: Run) -> None:
    files = {"a.jsonl": rows(3), "b.jsonl": rows(5)}
    checked = await run(files, DatasetConfig={"dataset_path": "data/b.jsonl", "train_test_split": 1})
    assert checked.facts["rows"] == 5


async def test_a_seed_decides_the_split_and_nothing_is_in_both(run: Run) -> None:
    config = {"train_test_split": 0.75, "shuffle_seed": 7}
    checked = await run({"a.jsonl": rows(20)}, DatasetConfig=config)
    train, evaluation = tokens_of(checked), tokens_of(checked, EVAL)
    assert (len(train), len(evaluation)) == (15, 5)
    assert not [row for row in evaluation if row in train]
    other = await run({"a.jsonl": rows(20)}, DatasetConfig={**config, "shuffle_seed": 8})
    assert tokens_of(other, EVAL) != evaluation


async def test_without_a_shuffle_rows_keep_their_order(run: Run) -> None:
    checked = await run({"a.jsonl": rows(9)}, DatasetConfig={"train_test_split": 1, "shuffle_dataset": False})
    texts = [row.stretches[1][1] for row in checked.facts["preview"]]  # type: ignore[attr-defined]
    assert texts == [f"answer {number}<|end|>" for number in range(3)]


async def test_duplicates_and_overlap_are_counted(run: Run) -> None:
    config = {"train_test_split": 0.5, "shuffle_dataset": False}
    checked = await run({"a.jsonl": rows(4) + rows(4)}, DatasetConfig=config)
    assert (checked.facts["duplicates"], checked.facts["overlap"]) == (4, 4)


async def test_long_rows_are_cut_and_counted(run: Run) -> None:
    text = json.dumps({"prompt": "p", "completion": "word " * 500}) + "\n"
    checked = await run({"a.jsonl": rows(3) + text}, TrainingArguments={"max_length": 64})
    assert checked.facts["truncated"] == 1
    assert checked.data.longest == 64


async def test_a_few_bad_rows_are_dropped_and_told(run: Run) -> None:
    text = rows(50) + "{oops}\n" + '{"prompt": "x"}\n'
    checked = await run({"a.jsonl": text})
    assert (checked.facts["rows"], checked.facts["dropped"], checked.facts["problem_count"]) == (50, 2, 2)
    told = [(row.file, row.line, row.pointer, row.code) for row in checked.facts["problems"]]  # type: ignore[attr-defined]
    assert told == [("a.jsonl", 51, "", Code.NOT_JSON), ("a.jsonl", 52, "/completion", Code.MISSING_FIELD)]


async def test_too_many_bad_rows_fail_with_all_of_them_counted_and_the_first_told(run: Run) -> None:
    text = rows(50) + "{oops}\n" * 500
    fault = await refused(run({"a.jsonl": text}, dataset_problem_limit=20), Reason.DATASET_INVALID)
    assert "500 of 550 rows" in fault.message
    assert "a.jsonl:51:" in fault.message
    told = DatasetChecked(job_id="j", attempt=1, sequence=1, **fault.facts)
    assert (told.rows, told.planned_steps, told.format) == (50, 0, "jsonl prompt-completion")
    assert (told.problem_count, len(told.problems)) == (500, 20)


async def test_the_share_of_bad_rows_can_be_raised(run: Run) -> None:
    checked = await run({"a.jsonl": rows(5) + "{oops}\n" * 5}, dataset_bad_share=0.5)
    assert checked.facts["dropped"] == 5


async def test_no_row_is_an_empty_dataset(run: Run) -> None:
    await refused(run({"a.jsonl": "\n\n"}), Reason.DATASET_EMPTY)
    await refused(run({"a.jsonl": "", "b.csv": "text\n"}), Reason.DATASET_EMPTY)


async def test_rows_that_train_on_nothing_fail_before_any_model_is_loaded(run: Run) -> None:
    text = json.dumps({"prompt": "word " * 500, "completion": "a"}) + "\n"
    fault = await refused(run({"a.jsonl": text * 3}, TrainingArguments={"max_length": 32}), Reason.NOTHING_TO_TRAIN)
    assert "within max_length 32" in fault.message


async def test_a_row_that_the_template_refuses_is_a_problem_of_this_row(run: Run) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "tool", "content": "t"}, {"role": "assistant", "content": "a"}]
    bad = json.dumps({"messages": turns})
    good = json.dumps({"messages": [turns[0], turns[2]]})
    checked = await run({"a.jsonl": f"{good}\n" * 30 + bad})
    problem = checked.facts["problems"][0]  # type: ignore[index]
    assert (problem.line, problem.code) == (31, Code.TEMPLATE_REFUSED)


async def test_unknown_columns_say_how_to_map_them(run: Run) -> None:
    fault = await refused(run({"a.csv": "question,answer\nq,a\n"}), Reason.DATASET_UNREADABLE)
    assert "question, answer" in fault.message
    mapped = {"context_column": "question", "response_column": "answer", "train_test_split": 1}
    assert (await run({"a.csv": "question,answer\nq,a\n"}, DatasetConfig=mapped)).facts["rows"] == 1


async def test_a_broken_file_is_named(run: Run) -> None:
    fault = await refused(run({"a.parquet": b"PAR1 and nothing else"}), Reason.DATASET_UNREADABLE)
    assert "a.parquet" in fault.message


async def test_the_second_time_nothing_is_tokenised(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await run({"a.jsonl": rows(10)}, DatasetConfig={"train_test_split": 0.8})

    async def never(*_: object) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr(module, "run_check", never)
    second = await run({}, DatasetConfig={"train_test_split": 0.8})
    assert (first.facts["reused"], second.facts["reused"]) == (False, True)
    assert second.facts == {**first.facts, "reused": True}
    assert second.data == first.data
    assert [tokens_of(second, split) for split in (TRAIN, EVAL)] == [tokens_of(first, split) for split in (TRAIN, EVAL)]


@pytest.mark.parametrize("lost", ["facts.json", TRAIN])
async def test_half_a_cache_is_none(run: Run, store: ObjectStore, lost: str) -> None:
    first = await run({"a.jsonl": rows(10)})
    (key,) = [key for key in await store.list("tokens/") if key.endswith(lost)]
    await store.delete(key)
    second = await run({})
    assert not second.facts["reused"]
    assert second.data == first.data


async def test_another_length_or_template_is_another_cache(run: Run) -> None:
    await run({"a.jsonl": rows(10)})
    assert not (await run({}, TrainingArguments={"max_length": 99})).facts["reused"]
    template = (
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )
    assert not (await run({}, ModelConfig={"chat_template": template})).facts["reused"]


async def test_packs_are_stored_with_the_tokens_and_found_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    packing = {"packing": True, "max_length": 64}
    first = await run({"a.jsonl": rows(40)}, TrainingArguments=packing)
    lengths = Tokens(first.tokens_folder / TRAIN).lengths
    packs = read_packs(first.tokens_folder / PACKS)
    assert sorted(row for pack in packs for row in pack) == list(range(40))
    assert max(lengths[pack].sum() for pack in packs) <= 64
    assert first.data.packs == len(packs) < 40

    monkeypatch.setattr(module, "run_check", None)
    second = await run({}, TrainingArguments=packing)
    assert read_packs(second.tokens_folder / PACKS) == packs
    assert second.data == first.data


async def test_rows_that_are_not_packed_have_no_packs(run: Run) -> None:
    checked = await run({"a.jsonl": rows(10)})
    assert not (checked.tokens_folder / PACKS).exists()
    assert checked.data.packs is None
