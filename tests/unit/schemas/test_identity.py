"""One id for each spec, however it is written."""

import json
import random
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.admission import admit
from schemas.documents import load_documents
from schemas.identity import canonical, canonical_json, job_id, rejected_job_id

# A new release must not run every job again: change this value only with a note in the change log.
ONE_ID = "default.w.e4d8b97def6c"
CONFIG: dict[str, Any] = {
    "ModelConfig": {"torch_dtype": "bfloat16", "device_map": "auto"},
    "LoraConfig": {
        "r": 8,
        "lora_dropout": 0.0,
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"a": 1, "b": 2},
    },
    "TrainingArguments": {"output_dir": "/mnt/results", "learning_rate": 0.0002, "num_train_epochs": 3, "bf16": False},
    "DatasetConfig": {"train_test_split": 1},
}
NOTHING: dict[str, Any] = {}
SPELLINGS: list[tuple[list[str], list[Any]]] = [
    (["LoraConfig", "r"], [8, "8", 8.0]),
    (["LoraConfig", "lora_dropout"], [0.0, 0, "0", "0.0"]),
    (["LoraConfig", "target_modules"], [["q_proj", "v_proj"], "q_proj, v_proj"]),
    (["TrainingArguments", "output_dir"], ["/mnt/results", "results", "/results", "./results/", "/mnt//a/../results"]),
    (["TrainingArguments", "learning_rate"], [0.0002, "2e-4", "0.0002"]),
    (["TrainingArguments", "num_train_epochs"], [3, 3.0, "3", None]),
    (["TrainingArguments", "bf16"], [False, "no", "False"]),
    (["TrainingArguments", "seed"], [42, None]),
    (["DatasetConfig", "train_test_split"], [1, 1.0, "1"]),
    (["DatasetConfig", "shuffle_dataset"], [True, "yes", None]),
]


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same value with the keys of every map in another order; lists keep theirs."""
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: shuffled(value[key], dice) for key in keys}
    return [shuffled(item, dice) for item in value] if isinstance(value, list) else value


def written(value: object, dice: random.Random) -> str:
    text: str = json.dumps(value) if dice.random() < 0.5 else yaml.safe_dump(value)
    return text


def spelt(dice: random.Random) -> str:
    """The one spec, written in one of its many ways, as YAML or JSON. None stands for leaving a default out."""
    config = json.loads(json.dumps(CONFIG))
    for (section, field), values in SPELLINGS:
        value = dice.choice(values)
        config[section].pop(field, None)
        if value is not None:
            config[section][field] = value
    workspace: dict[str, Any] = {
        "apiVersion": dice.choice(["kaito.sh/v1beta1", "kaito.sh/v1alpha1"]),
        "kind": "Workspace",
        "metadata": {"name": "w", **dice.choice([NOTHING, {"namespace": "default"}, {"labels": {"a": "b"}}])},
        "resource": {"instanceType": "a", "labelSelector": {}, **dice.choice([NOTHING, {"count": 1}])},
        "tuning": {
            "preset": {"name": dice.choice(["tiny", "TINY"]), **dice.choice([NOTHING, {"accessMode": "public"}])},
            "method": dice.choice(["lora", "LoRA", "LORA"]),
            "config": "c",
            "input": {"urls": [dice.choice(["https://data.example.com/x", "HTTPS://Data.Example.COM:443/x#f"])]},
            "output": {
                "image": dice.choice(["busybox", "docker.io/library/busybox:latest", "DOCKER.io/library/busybox"]),
                "imagePushSecret": "s",
            },
        },
    }
    text = written(shuffled({"training_config": config}, dice), dice)
    request = {"workspace": shuffled(workspace, dice), "map": {"training_config.yaml": text}}
    return written(request, dice)


def id_of(request: str) -> str:
    read: Any = load_documents(request, name="request")[0].value
    verdict = admit(read["workspace"], config_maps={"c": read["map"]})
    assert verdict.spec is not None, verdict.problems
    return job_id(verdict.spec)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0))
def test_any_order_and_any_spelling_is_the_same_job(seed: int) -> None:
    assert id_of(spelt(random.Random(seed))) == ONE_ID


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "other"),
        ("namespace", "other"),
        ("method", "qlora"),
        ("output_dir", "/mnt/b"),
        ("input.urls", ("https://data.example.com/y",)),
        ("output.push_secret", "other"),
        ("config.lora.r", 9),
        ("config.training.learning_rate", 0.1),
        ("config.dataset.shuffle_seed", 1),
    ],
)
def test_another_spec_is_another_job(path: str, value: object) -> None:
    read: Any = load_documents(spelt(random.Random(1)), name="request")[0].value
    spec = admit(read["workspace"], config_maps={"c": read["map"]}).spec
    assert spec is not None

    def replaced(model: Any, names: list[str]) -> Any:
        inner = value if len(names) == 1 else replaced(getattr(model, names[0]), names[1:])
        return model.model_copy(update={names[0]: inner})

    assert job_id(replaced(spec, path.split("."))) != job_id(spec)


def test_a_nonce_is_another_job() -> None:
    read: Any = load_documents(spelt(random.Random(2)), name="request")[0].value
    spec = admit(read["workspace"], config_maps={"c": read["map"]}).spec
    assert spec is not None
    ids = {job_id(spec), job_id(spec, nonce=""), job_id(spec, nonce="a"), job_id(spec, nonce="b")}
    assert len(ids) == 4
    assert job_id(spec, nonce="a") == job_id(spec, nonce="a")
    assert b"\n" not in canonical(spec)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(JSON, st.randoms(use_true_random=False))
def test_canonical_json_has_one_spelling(value: object, dice: random.Random) -> None:
    made = canonical_json(value)
    assert canonical_json(shuffled(value, dice)) == made
    assert canonical_json(json.loads(made)) == made


def test_whole_numbers_have_no_fraction() -> None:
    assert canonical_json({"b": 1.0, "a": [1e15, -0.0, 0.5]}) == b'{"a":[1000000000000000,0,0.5],"b":1}'


ID = re.compile(r"[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}\.[0-9a-f]{12}")


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(), JSON, JSON.map(lambda value: {"metadata": value}), st.just({1: 2, "a": ...})))
def test_every_rejected_request_gets_an_id(raw: object) -> None:
    made = rejected_job_id(raw)
    assert ID.fullmatch(made)
    assert made == rejected_job_id(raw)


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        (b"\xff", "default.invalid."),
        (b"[1]", "default.invalid."),
        (b'{"metadata": {"name": "My Job!", "namespace": "Team_A"}}', "team-a.my-job."),
        (b'{"workspace": {"metadata": {"name": "x"}}}', "default.x."),
        ({"metadata": {"name": "../../etc/passwd"}}, "default.etc-passwd."),
        ({"metadata": {"name": "x" * 5000, "namespace": 3}}, f"default.{'x' * 63}."),
        (b"[" * 100_000, "default.invalid."),
    ],
)
def test_a_rejected_request_s_names_are_made_safe(raw: object, start: str) -> None:
    assert rejected_job_id(raw).startswith(start)
