"""The two data files say what their sources say, and the reader of values agrees with the models."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.admission.coerce import coerce
from schemas.config import SECTION_MODELS
from schemas.field_tables import SECTIONS, config_fields, declared_fields, library_fields
from schemas.library_fields import installed_fields

HOW = "run `python -m schemas.field_tables`"


def test_the_models_fields_are_in_their_file() -> None:
    assert json.loads(json.dumps(declared_fields())) == config_fields(), HOW


def test_the_libraries_fields_are_in_their_file() -> None:
    assert json.loads(json.dumps(installed_fields())) == library_fields(), HOW


def test_every_field_of_trl_is_there() -> None:
    """A sample of what must be found; the number tells when a base class is overlooked."""
    fields = library_fields()["TrainingArguments"]
    assert len(fields) == 135
    assert fields["learning_rate"] == {"type": "float", "default": 2e-5}
    assert fields["save_strategy"] == {"type": "str", "default": "steps", "choices": ["no", "steps", "epoch", "best"]}
    assert fields["optim"]["default"] == "adamw_torch_fused"
    assert library_fields()["LoraConfig"]["lora_alpha"] == {"type": "int", "default": 8}
    assert library_fields()["QuantizationConfig"]["llm_int8_threshold"]["default"] == 6.0


@pytest.mark.parametrize("section", SECTIONS)
def test_declared_defaults_are_the_library_s(section: str) -> None:
    """Except where KAITO's trainer has its own."""
    kaito = {"output_dir", "bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"}
    library = library_fields().get(section, {})
    for field, schema in config_fields()[section].items():
        if field in library and field not in kaito:
            assert schema["default"] == library[field]["default"], field


def test_every_field_declared_for_training_is_one_of_trl_s() -> None:
    assert set(config_fields()["TrainingArguments"]) <= set(library_fields()["TrainingArguments"])


FIELDS = [(section, field) for section in SECTIONS for field in config_fields()[section]]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 20),
    st.floats(),
    st.sampled_from(
        ["no", "steps", "nf4", "float32", "q_proj", "all-linear", "8", "1e-3", "x y", "none", "True", "{}", ""]
    ),
    st.lists(st.one_of(st.sampled_from(["q_proj", ".*", ""]), st.integers(-1, 5)), max_size=3),
    st.dictionaries(st.sampled_from(["q_proj", ".*"]), st.integers(-1, 5), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_what_admission_takes_the_models_take_too(where: tuple[str, str], value: object) -> None:
    section, field = where
    schema = config_fields()[section][field]
    try:
        made = coerce(schema, value)
    except ValueError:
        return
    model: Any = SECTION_MODELS[section].model_validate({field: made})
    back = getattr(model, field)
    assert back == (tuple(made) if isinstance(made, list) else made)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_what_the_models_take_admission_takes_too(where: tuple[str, str], value: object) -> None:
    section, field = where
    try:
        model: Any = SECTION_MODELS[section].model_validate({field: value})
    except ValidationError:
        return
    if isinstance(value, float) and not math.isfinite(value):
        return
    made = coerce(config_fields()[section][field], value)
    assert (tuple(made) if isinstance(made, list) else made) == getattr(model, field)
