"""`training_config.yaml`: six sections, each field with the default that KAITO's trainer has when a file leaves it out.

KAITO turns every value into text and reads it back, so numbers may come as text ("2e-4") and one name may stand for
a list of one. A field's description says where lorabus reads it differently from KAITO.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from schemas.field_tables import config_fields
from schemas.plain import Plain

DEFAULT_OUTPUT_DIR = "/mnt/output"
_NO_DEFAULT = object()


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true/false")  # noqa: TRY004  # pydantic collects ValueErrors.
    return value


def _words(value: object) -> object:
    """One for a list of one, and names between commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _unquoted_no(value: object) -> object:
    """YAML 1.1 reads an unquoted `no` as false."""
    return "no" if value is False else value


Int = Annotated[int, BeforeValidator(_number)]
Float = Annotated[float, BeforeValidator(_number)]
Count = Annotated[Int, Field(ge=1, le=2**31 - 1)]
Seed = Annotated[Int, Field(ge=0, le=2**32 - 1)]
Fraction = Annotated[Float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(max_length=4096)]
Numbers = Annotated[tuple[Annotated[Int, Field(ge=0, le=100_000)], ...], BeforeValidator(_words)]
# PEFT takes some of these for regular expressions; here they are names, but for the one text that cannot be any.
Module = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,256}$")]
Modules = Annotated[tuple[Module, ...], BeforeValidator(_words)]
Pattern = Annotated[str, Field(max_length=1024, pattern=r"^\S*[^A-Za-z0-9_.,\s-]\S*$")]
PerModule = dict[Module, Count]
Dtype = Literal["float32", "float16", "bfloat16", "float64"]
Strategy = Annotated[Literal["no", "steps", "epoch"], BeforeValidator(_unquoted_no)]


class Section(BaseModel):
    """`model_fields_set` holds what the request itself set; everything else is a default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False, protected_namespaces=()
    )

    @model_serializer(mode="plain")
    def as_kwargs(self) -> dict[str, object]:
        """Every field, nulls included, for a null can stand against a default that is not."""
        return {**self.__dict__, **(self.__pydantic_extra__ or {})}


class ModelConfig(Section):
    """How the base model is loaded. Which one it is, the preset alone decides."""

    torch_dtype: Dtype | None = None
    device_map: str = "auto"
    local_files_only: bool = False
    revision: Text = "main"
    chat_template: Annotated[str, Field(max_length=65536)] | None = None


class QuantizationConfig(Section):
    load_in_4bit: bool = False
    load_in_8bit: bool = False
    llm_int8_threshold: Annotated[Float, Field(ge=0, le=1000)] = 6.0
    llm_int8_skip_modules: Modules | None = None
    llm_int8_enable_fp32_cpu_offload: bool = False
    llm_int8_has_fp16_weight: bool = False
    bnb_4bit_compute_dtype: Dtype = "float32"
    bnb_4bit_quant_type: Literal["fp4", "nf4"] = "fp4"
    bnb_4bit_use_double_quant: bool = False
    bnb_4bit_quant_storage: Literal["uint8", "float16", "float32", "bfloat16"] = "uint8"


class LoraConfig(Section):
    """`target_modules` None: the preset's, or for a model without a preset what its architecture has.

    As one text it may be a regular expression that the whole name of a module matches.
    """

    r: Annotated[Int, Field(ge=1, le=4096)] = 8
    lora_alpha: Annotated[Int, Field(ge=1, le=65536)] = 8
    lora_dropout: Fraction = 0.0
    target_modules: Annotated[Literal["all-linear"] | Modules | Pattern | None, Field(union_mode="left_to_right")] = (
        None
    )
    exclude_modules: Modules | None = None
    modules_to_save: Modules | None = None
    bias: Literal["none", "all", "lora_only"] = "none"
    fan_in_fan_out: bool = False
    use_rslora: bool = False
    use_dora: bool = False
    lora_bias: bool = False
    init_lora_weights: bool | Literal["gaussian", "olora", "pissa", "orthogonal"] = True
    layers_to_transform: Numbers | None = None
    layers_pattern: Modules | None = None
    rank_pattern: PerModule = Field(default_factory=dict)
    alpha_pattern: PerModule = Field(default_factory=dict)
    task_type: Literal["CAUSAL_LM"] | None = None


class TrainingArguments(Section):
    """What lorabus itself looks at. TRL's other fields stand beside these when they differ from TRL's default."""

    model_config = ConfigDict(extra="allow")

    output_dir: Text = DEFAULT_OUTPUT_DIR
    num_train_epochs: Annotated[Float, Field(gt=0, le=100_000)] = 3.0
    max_steps: Annotated[Int, Field(ge=-1, le=2**31 - 1)] = -1
    learning_rate: Annotated[Float, Field(gt=0, le=10)] = 2e-05
    lr_scheduler_type: Text = "linear"
    lr_scheduler_kwargs: dict[str, object] | None = None
    warmup_steps: Annotated[Float, Field(ge=0, le=2**31 - 1)] = 0.0
    optim: Text = "adamw_torch_fused"
    weight_decay: Annotated[Float, Field(ge=0, le=10)] = 0.0
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: Annotated[Float, Field(gt=0, le=1)] = 1e-08
    max_grad_norm: Annotated[Float, Field(ge=0, le=1e9)] = 1.0
    label_smoothing_factor: Fraction = 0.0
    neftune_noise_alpha: Annotated[Float, Field(ge=0, le=1000)] | None = None
    per_device_train_batch_size: Annotated[Int, Field(ge=1, le=65536)] = 8
    per_device_eval_batch_size: Annotated[Int, Field(ge=1, le=65536)] = 8
    gradient_accumulation_steps: Annotated[Int, Field(ge=1, le=65536)] = 1
    auto_find_batch_size: bool = False
    gradient_checkpointing: bool = True
    bf16: bool | None = None
    fp16: bool = False
    logging_strategy: Strategy = "steps"
    logging_steps: Annotated[Float, Field(gt=0, le=2**31 - 1)] = 10.0
    logging_first_step: bool = False
    eval_strategy: Strategy = "no"
    eval_steps: Annotated[Float, Field(gt=0, le=2**31 - 1)] | None = None
    save_strategy: Annotated[Literal["no", "steps", "epoch", "best"], BeforeValidator(_unquoted_no)] = "steps"
    save_steps: Annotated[Float, Field(gt=0, le=2**31 - 1)] = 500.0
    save_total_limit: Annotated[Int, Field(ge=0, le=100_000)] | None = None
    load_best_model_at_end: bool = False
    metric_for_best_model: Text | None = None
    greater_is_better: bool | None = None
    seed: Seed = 42
    data_seed: Seed | None = None
    ddp_find_unused_parameters: bool | None = None
    use_cpu: bool = False
    max_length: Annotated[Int, Field(ge=2, le=2**24)] | None = 1024
    packing: bool = False
    packing_strategy: Text = "bfd"
    padding_free: bool = False
    eval_packing: bool | None = None
    completion_only_loss: bool | None = None
    assistant_only_loss: bool = False
    train_sampling_strategy: Text = "random"
    dataset_text_field: Text = "text"
    eos_token: Text | None = None
    pad_token: Text | None = None


class DatasetConfig(Section):
    """`dataset_path` is relative to `/mnt/data`'s parent `/mnt`, as in KAITO. The three columns work here."""

    dataset_path: Text | None = None
    dataset_extension: Text | None = None
    shuffle_dataset: bool = True
    shuffle_seed: Seed = 42
    context_column: Text | None = None
    response_column: Text = "text"
    messages_column: Text | None = None
    train_test_split: Annotated[Float, Field(gt=0, le=1)] = 0.8


class DataCollator(Section):
    """`mlm` is a no-op: a causal model is not trained on masked words."""

    mlm: bool = True
    mlm_probability: Annotated[Float, Field(ge=0, le=1)] | None = 0.15
    pad_to_multiple_of: Annotated[Int, Field(ge=1, le=65536)] | None = None
    return_tensors: Literal["pt"] = "pt"
    whole_word_mask: bool = False
    mask_replace_prob: Annotated[Float, Field(ge=0, le=1)] = 0.8
    random_replace_prob: Annotated[Float, Field(ge=0, le=1)] = 0.1
    seed: Seed | None = None


SECTION_MODELS: Mapping[str, type[Section]] = {
    "ModelConfig": ModelConfig,
    "QuantizationConfig": QuantizationConfig,
    "LoraConfig": LoraConfig,
    "TrainingArguments": TrainingArguments,
    "DatasetConfig": DatasetConfig,
    "DataCollator": DataCollator,
}


class TrainingConfig(Plain):
    """All six sections. `given` names what the request set, so that this survives JSON; it is no part of a job's id."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)

    model: ModelConfig = Field(default_factory=ModelConfig, alias="ModelConfig")
    quantization: QuantizationConfig = Field(default_factory=QuantizationConfig, alias="QuantizationConfig")
    lora: LoraConfig = Field(default_factory=LoraConfig, alias="LoraConfig")
    training: TrainingArguments = Field(default_factory=TrainingArguments, alias="TrainingArguments")
    dataset: DatasetConfig = Field(default_factory=DatasetConfig, alias="DatasetConfig")
    collator: DataCollator = Field(default_factory=DataCollator, alias="DataCollator")
    given: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keep_given(self) -> Self:
        """Restores `model_fields_set` of the sections after JSON, or takes `given` from it where they are made."""
        sections = {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}
        sections.pop("given")
        if "given" in self.model_fields_set:
            for name, section in sections.items():
                object.__setattr__(section, "__pydantic_fields_set__", set(self.given.get(name, ())))
        else:
            given = {name: tuple(sorted(section.model_fields_set)) for name, section in sections.items()}
            object.__setattr__(self, "given", {name: names for name, names in given.items() if names})
            self.__pydantic_fields_set__.add("given")
        return self

    @cached_property
    def changed(self) -> dict[str, dict[str, object]]:
        """By section the values that are not their field's default; not to be changed."""
        sections = ((name, values) for name, values in self.plain.items() if name != "given")
        return {name: _without_defaults(name, values) for name, values in sections}


def _without_defaults(section: str, values: Mapping[str, object]) -> dict[str, object]:
    defaults = _defaults()[section]
    return {field: value for field, value in values.items() if value != defaults.get(field, _NO_DEFAULT)}


@cache
def _defaults() -> dict[str, dict[str, object]]:
    return {
        section: {field: declared["default"] for field, declared in fields.items()}
        for section, fields in config_fields().items()
    }
