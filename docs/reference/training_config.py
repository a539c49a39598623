"""`docs/reference/training-config.md`: what becomes of each field, from the tables that decide."""

from collections.abc import Iterator, Mapping

from schemas.admission.policy import DROPPED, IGNORED, INERT, REFUSED, RENAMED
from schemas.field_tables import SECTIONS, config_fields, library_fields

_HEAD = """# training_config.yaml, field by field

Generated from the admission's tables by `python -m docs.generate`.

Every field that a release of KAITO's trainer, or today's TRL, transformers, PEFT or bitsandbytes takes has one fate
here. A field without effect, or that is refused, passes without a word when it asks for what happens anyway. That each
field with an effect has it, [`test_a_field_has_its_effect`](../../tests/unit/services/trainer/planning/test_effects.py)
shows.
"""
# What a field does, for people. Those below come out as asked, whatever is set.
EFFECTS: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "torch_dtype": "format of the weights; met in float32 where a CPU has no units for it, which is told",
        "revision": "revision of a model that no preset pins",
        "chat_template": "template of conversations, inline",
    },
    "QuantizationConfig": {
        "load_in_4bit": "QLoRA in 4 bits",
        "load_in_8bit": "QLoRA in 8 bits",
        "llm_int8_threshold": "outliers above it stay in 16 bits",
        "llm_int8_skip_modules": "modules that are not quantised",
        "llm_int8_has_fp16_weight": "16 bit weights beside the 8 bit ones",
        "bnb_4bit_compute_dtype": "format of products; 16 bits where the hardware has units for it",
        "bnb_4bit_quant_type": "fp4 or nf4",
        "bnb_4bit_use_double_quant": "quantised constants",
        "bnb_4bit_quant_storage": "format that packed weights lie in",
    },
    "LoraConfig": {
        "r": "rank",
        "lora_alpha": "scale, divided by the rank",
        "lora_dropout": "dropout before the adapter",
        "target_modules": "modules that get an adapter: names that the model has, all-linear or one regular expression",
        "exclude_modules": "modules that get none",
        "modules_to_save": "modules that are trained and saved whole",
        "bias": "biases that are trained",
        "fan_in_fan_out": "weights stored the other way round",
        "use_rslora": "scale divided by the rank's square root",
        "use_dora": "magnitude and direction apart",
        "lora_bias": "a bias in the adapter",
        "init_lora_weights": "first weights of the adapter; pissa and olora are saved with twice the rank",
        "layers_to_transform": "numbers of the layers that get an adapter",
        "layers_pattern": "name of the layers' list",
        "rank_pattern": "rank by module",
        "alpha_pattern": "scale by module",
    },
    "TrainingArguments": {
        "num_train_epochs": "epochs",
        "max_steps": "steps, instead of epochs",
        "learning_rate": "rate",
        "lr_scheduler_type": "its course",
        "lr_scheduler_kwargs": "its course",
        "warmup_steps": "steps, or below 1 the share of all steps, in which it rises",
        "optim": "optimizer",
        "weight_decay": "of the optimizer",
        "adam_beta1": "of the optimizer",
        "adam_beta2": "of the optimizer",
        "adam_epsilon": "of the optimizer",
        "max_grad_norm": "gradients are cut to it",
        "label_smoothing_factor": "of the loss",
        "loss_type": "nll or dft",
        "neftune_noise_alpha": "noise on the embeddings",
        "per_device_train_batch_size": "rows, or packs, of a step on one device",
        "gradient_accumulation_steps": "times as many of them",
        "gradient_checkpointing": "activations are computed again; done without being asked when memory is short",
        "gradient_checkpointing_kwargs": "how",
        "activation_offloading": "activations wait in the machine's memory",
        "bf16": "products in bfloat16",
        "fp16": "products in float16",
        "tf32": "products in TF32 on GPUs that have it",
        "full_determinism": "only algorithms that always give the same",
        "eval_strategy": "when the evaluation split is scored",
        "eval_steps": "how often",
        "save_strategy": "checkpoints beside the ones that lorabus makes every minute",
        "save_steps": "how often",
        "load_best_model_at_end": "the adapter with the least eval_loss is the result",
        "seed": "of weights, dropout and noise",
        "data_seed": "of the rows' order; seed where it is not given",
        "train_sampling_strategy": "random, sequential, or rows of similar length together",
        "use_cpu": "no GPU",
        "max_length": "longest row in tokens; what is longer loses its end",
        "packing": "a batch counts packs of max_length tokens, not rows",
        "completion_only_loss": "false: prompts are learned too",
        "dataset_text_field": "column of plain text",
        "eos_token": "ends what is learned",
        "ddp_find_unused_parameters": "of several GPUs",
        "ddp_bucket_cap_mb": "of several GPUs",
        "ddp_broadcast_buffers": "of several GPUs",
        "ddp_static_graph": "of several GPUs",
        "ddp_timeout": "of several GPUs",
    },
    "DatasetConfig": {
        "dataset_path": "only this file, below /mnt",
        "dataset_extension": "format, where the file's name does not tell it",
        "shuffle_dataset": "rows are shuffled before the split",
        "shuffle_seed": "how",
        "context_column": "column of prompts",
        "response_column": "column of answers",
        "messages_column": "column of conversations",
        "train_test_split": "share of rows that are trained on",
    },
    "DataCollator": {},
}
ALWAYS: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "local_files_only": "always so: nothing is downloaded in a job",
        "device_map": "always auto; anything else is warned about",
    },
    "QuantizationConfig": {},
    "LoraConfig": {"task_type": "always CAUSAL_LM"},
    "TrainingArguments": {
        "output_dir": "checked as KAITO does; the files go where tuning.output says",
        "padding_free": "always so: rows lie one behind the other and never see each other",
        "assistant_only_loss": "always so: of a conversation only the assistant's turns are learned, unless "
        "completion_only_loss is false",
    },
    "DatasetConfig": {},
    "DataCollator": {
        "mlm": "no effect, with a warning: a causal language model learns the next token",
        "return_tensors": "always pt",
    },
}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(section) for section in SECTIONS)])


def fates(section: str) -> Iterator[tuple[str, str]]:
    """Each field with what becomes of it."""
    for name, does in EFFECTS[section].items():
        yield name, f"**{does}**"
    yield from ALWAYS[section].items()
    for name, why in INERT[section].items():
        yield name, f"no effect, with a warning: {why}"
    for name, why in {**IGNORED[section], **DROPPED[section]}.items():
        yield name, f"left out, with a warning: {why}"
    for name, now in RENAMED.get(section, {}).items():
        yield name, f"taken as `{now}`, with a warning"
    for name, why in REFUSED[section].items():
        yield name, f"refused: {why}"


def _section(section: str) -> str:
    rows = [f"| `{name}` | {_default(section, name)} | {_plain(fate)} |" for name, fate in fates(section)]
    return "\n".join([f"## {section}", "", "| field | default | |", "| --- | --- | --- |", *rows, ""])


def _default(section: str, name: str) -> str:
    field = config_fields()[section].get(name) or library_fields().get(section, {}).get(name) or {}
    value = field.get("default")
    if value in (None, "", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
