"""The plan follows from the facts alone, and what cannot work is refused with the names of its fields."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config import TrainingConfig
from schemas.failures import Reason
from schemas.presets import Preset, find_preset
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec
from services.common.errors import UserError
from services.trainer.planning.hardware import Gpu, Hardware
from services.trainer.planning.memory import ModelFacts
from services.trainer.planning.plan import DataFacts, Folders, TrainPlan, make_plan

MODEL = ModelFacts("llama", hidden=256, layers=8, intermediate=768, vocabulary=2048, context=1024, parameters=7_300_000)
DATA = DataFacts("sha256:1", rows=100, eval_rows=0, tokens=20_000, trained_tokens=15_000, longest=400, packs=25)
CPU = Hardware(cores=4, memory_bytes=16 << 30)
A100 = Hardware(cores=8, memory_bytes=64 << 30, gpus=(Gpu("A100", 80 << 30, (8, 0)),))
T4 = Hardware(cores=8, memory_bytes=64 << 30, gpus=(Gpu("T4", 16 << 30, (7, 5)),))


def plan(
    hardware: Hardware = CPU,
    data: DataFacts = DATA,
    model: ModelFacts = MODEL,
    folders: Folders | None = None,
    **sections: dict[str, Any],
) -> TrainPlan:
    preset = find_preset("tiny")
    assert isinstance(preset, Preset)
    spec = ResolvedSpec(
        namespace="default",
        name="test",
        preset="tiny",
        model=ModelRef(repository="lorabus/tiny", revision="1"),
        method="lora",
        input=InputSpec(kind="urls"),
        output=OutputSpec(kind="volume"),
        config=TrainingConfig.model_validate(sections),
        output_dir="/mnt/output",
    )
    folders = folders or Folders(model="model", tokens="tokens")
    return make_plan(spec, preset, data, model, hardware, folders, job_id="default.test.0")


@given(
    rows=st.integers(1, 5000),
    batch=st.integers(1, 64),
    accumulation=st.integers(1, 16),
    epochs=st.floats(0.1, 20),
    longest=st.integers(1, 1024),
)
def test_steps_follow_from_rows_and_batches(
    rows: int, batch: int, accumulation: int, epochs: float, longest: int
) -> None:
    made = plan(
        data=replace(DATA, rows=rows, longest=longest),
        TrainingArguments={
            "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": accumulation,
            "num_train_epochs": epochs,
        },
    )
    assert made.rows_per_step == batch * accumulation
    assert (made.steps_per_epoch - 1) * made.rows_per_step < rows <= made.steps_per_epoch * made.rows_per_step
    assert made.total_steps >= epochs * made.steps_per_epoch > made.total_steps - 1 or made.total_steps == 1
    assert made.tokens_per_pass >= longest
    assert 0 < made.memory_bytes[0] < made.memory_bytes[1]


def test_packs_count_instead_of_rows_when_rows_are_packed() -> None:
    settings = {"per_device_train_batch_size": 5, "packing": True}
    assert plan(TrainingArguments=settings).steps_per_epoch == 5
    assert plan(TrainingArguments={**settings, "packing": False}).steps_per_epoch == 20


def test_a_plan_survives_json_and_its_digest_forgets_where_things_lie() -> None:
    made = plan(LoraConfig={"r": 4, "target_modules": ["q_proj"]})
    assert TrainPlan.model_validate_json(made.model_dump_json()) == made
    elsewhere = plan(
        folders=Folders(model="x", tokens="y", resume="z"), LoraConfig={"r": 4, "target_modules": ["q_proj"]}
    )
    assert elsewhere.digest == made.digest
    assert plan(LoraConfig={"r": 5, "target_modules": ["q_proj"]}).digest != made.digest
    assert plan(data=replace(DATA, digest="sha256:2")).digest != plan().digest


@pytest.mark.parametrize(
    ("hardware", "weights", "autocast"),
    [
        (CPU, "float32", None),
        (replace(CPU, cpu_flags=frozenset({"avx512_bf16"})), "float32", None),
        (replace(CPU, cpu_flags=frozenset({"amx_bf16"})), "bfloat16", None),
        (A100, "bfloat16", None),
        (T4, "float16", "float16"),
    ],
)
def test_the_hardware_decides_what_is_computed_in(hardware: Hardware, weights: str, autocast: str | None) -> None:
    precision = plan(hardware).precision
    assert (precision.weights, precision.autocast) == (weights, autocast)


def test_bfloat16_is_honoured_where_there_are_units_for_it_and_met_in_float32_where_not() -> None:
    asked = {"torch_dtype": "bfloat16"}
    units = replace(CPU, cpu_flags=frozenset({"avx512_bf16"}))
    assert plan(units, ModelConfig=asked).precision.weights == "bfloat16"
    made = plan(ModelConfig=asked)
    assert made.precision.weights == "float32"
    assert any("bfloat16 was asked for" in note for note in made.notes)


def test_activations_are_recomputed_only_when_asked_for_or_when_memory_is_short() -> None:
    assert not plan().gradient_checkpointing
    assert plan(TrainingArguments={"gradient_checkpointing": True}).gradient_checkpointing
    assert plan(replace(CPU, memory_bytes=600 << 20)).gradient_checkpointing


@pytest.mark.parametrize(
    ("sections", "fields"),
    [
        ({"TrainingArguments": {"bf16": True, "fp16": True}}, "bf16 and fp16"),
        ({"LoraConfig": {"target_modules": ["q_proj", "lm_head"]}}, "LoraConfig.target_modules"),
        ({"TrainingArguments": {"lr_scheduler_type": "reduce_lr_on_plateau"}}, "lr_scheduler_type"),
        ({"TrainingArguments": {"load_best_model_at_end": True}}, "load_best_model_at_end"),
        (
            {"LoraConfig": {"init_lora_weights": "pissa"}, "QuantizationConfig": {"load_in_4bit": True}},
            "init_lora_weights",
        ),
        ({"LoraConfig": {"use_dora": True}, "QuantizationConfig": {"load_in_8bit": True}}, "LoraConfig.use_dora"),
    ],
)
def test_what_cannot_work_is_refused_by_name(sections: dict[str, dict[str, Any]], fields: str) -> None:
    with pytest.raises(UserError) as refused:
        plan(CPU, DATA, MODEL, None, **sections)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert fields in refused.value.message


def test_rows_without_anything_to_learn_are_refused() -> None:
    with pytest.raises(UserError) as refused:
        plan(data=replace(DATA, trained_tokens=0))
    assert refused.value.reason is Reason.NOTHING_TO_TRAIN


def test_a_default_learning_rate_is_remarked_on() -> None:
    assert any("learning_rate" in note for note in plan().notes)
    assert not any("learning_rate" in note for note in plan(TrainingArguments={"learning_rate": 1e-3}).notes)


def test_activations_wait_in_the_machines_memory_only_where_there_is_another() -> None:
    asked = {"activation_offloading": True}
    on_cpu, on_gpu = plan(TrainingArguments=asked), plan(A100, TrainingArguments=asked)
    assert "activation_offloading" not in on_cpu.arguments
    assert any("activation_offloading" in note for note in on_cpu.notes)
    assert on_gpu.arguments["activation_offloading"] is True
