"""Rows of every shape: what becomes of them, and what is said of those that cannot be used."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config import DatasetConfig
from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.dataset.problems import Code, Fault
from services.trainer.dataset.rows import Conversation, Pair, Row, Text, to_row
from services.trainer.dataset.shapes import Columns, Shape, find_columns

U: dict[str, object]
A: dict[str, object]
U, A = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


def row_of(value: object, **config: object) -> Row | Fault:
    seen = value if isinstance(value, dict) else {"messages": 1}
    return to_row(value, find_columns("file", seen, DatasetConfig.model_validate(config)))


def fault_of(value: object, **config: object) -> tuple[str, str]:
    fault = row_of(value, **config)
    assert isinstance(fault, Fault)
    return fault.code, fault.pointer


@pytest.mark.parametrize(
    ("value", "row"),
    [
        ({"messages": [U, A]}, Conversation([U, A])),
        ({"messages": orjson.dumps([U, A]).decode()}, Conversation([U, A])),
        ({"prompt": "q", "completion": "a"}, Pair("q", "a")),
        ({"prompt": "", "completion": "a"}, Pair("", "a")),
        ({"prompt": [U], "completion": [A]}, Pair([U], [A])),
        ({"instruction": "q", "input": "x", "output": "a"}, Pair("q\n\nx", "a")),
        ({"instruction": "q", "input": "", "output": "a"}, Pair("q", "a")),
        ({"instruction": "q", "input": None, "output": "a"}, Pair("q", "a")),
        ({"instruction": "q", "output": "a"}, Pair("q", "a")),
        ({"text": "t"}, Text("t")),
        (
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            Conversation([U, A]),
        ),
        (
            {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            Conversation([{"role": "system", "content": "s"}, U, A]),
        ),
        ({"conversations": [U, A]}, Conversation([U, A])),
        (
            {"messages": [{"role": "developer", "content": "s"}, A]},
            Conversation([{"role": "system", "content": "s"}, A]),
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, A]},
            Conversation([U, A]),
        ),
    ],
)
def test_a_row_of_a_known_shape(value: object, row: Row) -> None:
    assert row_of(value) == row


def test_tools_and_tool_calls_with_arguments_as_text_become_objects() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    value = {
        "messages": [
            U,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "2"},
            A,
        ],
        "tools": '[{"type": "function", "function": {"name": "f"}}]',
    }
    row = row_of(value)
    assert isinstance(row, Conversation)
    assert row.tools == [{"type": "function", "function": {"name": "f"}}]
    assert row.messages[1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "id": "1", "function": {"name": "f", "arguments": {"x": 1}}}],
    }
    assert row.messages[2] == {"role": "tool", "content": "2", "tool_call_id": "1"}


def test_sharegpt_tool_calls_become_tool_calls() -> None:
    turns = [
        {"from": "human", "value": "q"},
        {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "a"},
    ]
    row = row_of({"conversations": turns})
    assert isinstance(row, Conversation)
    assert [message["role"] for message in row.messages] == ["user", "assistant", "tool", "assistant"]
    assert row.messages[1]["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]


CALL = {"name": "f", "arguments": {"x": 1}}


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [U, {"role": "assistant", "function_call": {"name": "f", "arguments": '{"x": 1}'}}, A]},
        {"messages": [U, {"role": "assistant", "content": "", "tool_calls": None, "function_call": CALL}, A]},
    ],
)
def test_openais_older_names_for_tools_and_calls_mean_the_same(value: dict[str, object]) -> None:
    row = row_of({**value, "functions": [{"name": "f"}], "parallel_tool_calls": False})
    assert isinstance(row, Conversation)
    assert row.tools == [{"type": "function", "function": {"name": "f"}}]
    call = {"type": "function", "function": CALL}
    assert row.messages[1] == {"role": "assistant", "content": "", "tool_calls": [call]}


@pytest.mark.parametrize(("weight", "kept"), [(0, {"weight": 0}), (0.0, {"weight": 0}), (1, {}), (None, {})])
def test_a_weight_of_0_stays_with_the_assistants_message(weight: object, kept: dict[str, object]) -> None:
    row = row_of({"messages": [{**U, "weight": 1}, {**A, "weight": weight}]})
    assert row == Conversation([U, {**A, **kept}])


@pytest.mark.parametrize(
    ("value", "code", "pointer"),
    [
        ({"messages": [U, {**A, "weight": 0.5}]}, Code.WRONG_TYPE, "/messages/1/weight"),
        ({"messages": [U, {**A, "weight": False}]}, Code.WRONG_TYPE, "/messages/1/weight"),
        ({"messages": [U, {**A, "weight": "0"}]}, Code.WRONG_TYPE, "/messages/1/weight"),
        ({"messages": [U, {**A, "function_call": {}}]}, Code.BAD_TOOL_CALL, "/messages/1/function_call"),
        ({"messages": [U, A], "functions": {"name": "f"}}, Code.WRONG_TYPE, "/functions"),
        ({"messages": [U, A], "functions": [{"name": "f"}], "tools": [{}]}, Code.WRONG_TYPE, "/functions"),
        ([1], Code.NOT_AN_OBJECT, ""),
        ({"messages": None}, Code.MISSING_FIELD, "/messages"),
        ({"messages": []}, Code.EMPTY_MESSAGES, "/messages"),
        ({"messages": "hello"}, Code.WRONG_TYPE, "/messages"),
        ({"messages": ["hello"]}, Code.WRONG_TYPE, "/messages/0"),
        ({"messages": [{"content": "q"}]}, Code.MISSING_FIELD, "/messages/0/role"),
        ({"messages": [{"role": "user"}]}, Code.MISSING_FIELD, "/messages/0/content"),
        ({"messages": [{"role": 1, "content": "q"}]}, Code.WRONG_TYPE, "/messages/0/role"),
        ({"messages": [U, {"role": "robot", "content": "a"}]}, Code.UNKNOWN_ROLE, "/messages/1/role"),
        ({"conversations": [{"from": "alien", "value": "a"}]}, Code.UNKNOWN_ROLE, "/conversations/0/from"),
        ({"messages": [U]}, Code.NO_ASSISTANT_TURN, "/messages"),
        ({"messages": [U, {"role": "assistant", "content": " "}]}, Code.EMPTY_CONTENT, "/messages/1/content"),
        ({"messages": [U, {"role": "assistant", "content": 5}]}, Code.WRONG_TYPE, "/messages/1/content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            Code.WRONG_TYPE,
            "/messages/0/content/0",
        ),
        ({"messages": [U, A], "tools": "none"}, Code.WRONG_TYPE, "/tools"),
        ({"messages": [U, {**A, "tool_calls": [{}]}]}, Code.BAD_TOOL_CALL, "/messages/1/tool_calls/0"),
        (
            {"messages": [U, {**A, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
            Code.BAD_TOOL_CALL,
            "/messages/1/tool_calls/0/function/arguments",
        ),
        ({"prompt": "q", "completion": None}, Code.MISSING_FIELD, "/completion"),
        ({"prompt": "q", "completion": ""}, Code.EMPTY_CONTENT, "/completion"),
        ({"prompt": 1, "completion": "a"}, Code.WRONG_TYPE, "/prompt"),
        ({"prompt": [U], "completion": "a"}, Code.WRONG_TYPE, "/completion"),
        ({"text": ""}, Code.EMPTY_CONTENT, "/text"),
        ({"text": {"a": 1}}, Code.WRONG_TYPE, "/text"),
    ],
)
def test_a_bad_row_has_a_code_and_a_pointer(value: object, code: Code, pointer: str) -> None:
    assert fault_of(value) == (code, pointer)


def test_mapped_columns_count_before_known_names() -> None:
    value = {"messages": "x", "chat": [U, A], "q": "1", "a": "2", "body": "3"}
    assert row_of(value, messages_column="chat") == Conversation([U, A])
    assert row_of(value, context_column="q", response_column="a") == Pair("1", "2")
    assert row_of(value, response_column="body") == Text("3")


def test_unknown_columns_are_named_with_the_way_to_map_them() -> None:
    with pytest.raises(UserError, match=r"a\.csv: .* its columns are question, answer\. .*messages_column") as caught:
        find_columns("a.csv", ["question", "answer"], DatasetConfig())
    assert caught.value.reason is Reason.DATASET_UNREADABLE


def test_a_mapping_to_a_column_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'qestion' .did you mean 'question'"):
        find_columns("a.csv", ["question", "text"], DatasetConfig(context_column="qestion"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "from", "value", "tool_calls", "function", "name", "arguments", "type", "weight"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(value=json_values, shape=st.sampled_from(Shape))
def test_nothing_in_a_row_breaks_the_check(value: object, shape: Shape) -> None:
    for row in (value, dict.fromkeys(("one", "two", "tools", "functions", "system", "input"), value)):
        assert isinstance(to_row(row, Columns(shape, "one", "two")), Conversation | Pair | Text | Fault)


roles = st.sampled_from(["system", "user", "assistant", "tool"])
contents = st.text(min_size=1).filter(lambda text: bool(text.strip()))


@given(turns=st.lists(st.tuples(roles, contents), min_size=1))
def test_every_word_of_a_good_conversation_is_kept(turns: list[tuple[str, str]]) -> None:
    messages: list[dict[str, object]] = [{"role": role, "content": content} for role, content in turns]
    row = to_row({"messages": messages}, Columns(Shape.MESSAGES, "messages"))
    if any(role == "assistant" for role, _ in turns):
        assert row == Conversation(list(messages))
    else:
        assert isinstance(row, Fault)
        assert row.code is Code.NO_ASSISTANT_TURN
