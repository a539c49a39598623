"""Combinations that the training libraries refuse only once the model is loaded."""

from schemas.admission.config_map import PATH
from schemas.admission.sections import Values
from schemas.presets import Preset
from schemas.problems import Findings

_ARGUMENTS = f"{PATH}.training_config.TrainingArguments"
_LORA = f"{PATH}.training_config.LoraConfig"
_FOLLOW_EVALUATION = ("reduce_lr_on_plateau", "greedy")
_TAKE_FROM_WEIGHTS = ("olora", "pissa")


def check_together(arguments: Values, dataset: Values, preset: Preset | None, findings: Findings) -> None:
    """Both hold every field, defaults included."""
    if arguments["bf16"] and arguments["fp16"]:
        findings.refuse(f"{_ARGUMENTS}.fp16", "bf16 and fp16 exclude each other; keep one of them")
    if arguments["eval_strategy"] != "no" and dataset["train_test_split"] == 1:
        text = "nothing to evaluate on: DatasetConfig.train_test_split is 1; set it below 1, or eval_strategy to no"
        findings.refuse(f"{_ARGUMENTS}.eval_strategy", text)
    if arguments["load_best_model_at_end"] and arguments["save_strategy"] not in ("best", arguments["eval_strategy"]):
        text = "load_best_model_at_end needs save_strategy and eval_strategy to be the same"
        findings.refuse(f"{_ARGUMENTS}.load_best_model_at_end", text)
    elif arguments["load_best_model_at_end"] and arguments["eval_strategy"] == "no":
        text = "nothing to choose the best by: set eval_strategy and save_strategy to epoch"
        findings.refuse(f"{_ARGUMENTS}.load_best_model_at_end", text)
    if arguments["lr_scheduler_type"] in _FOLLOW_EVALUATION and arguments["eval_strategy"] == "no":
        text = f"{arguments['lr_scheduler_type']} follows the evaluation's loss: set eval_strategy to epoch"
        findings.refuse(f"{_ARGUMENTS}.lr_scheduler_type", text)
    if arguments["save_strategy"] == "best" and (
        arguments["eval_strategy"] == "no" or not arguments["metric_for_best_model"]
    ):
        text = "save_strategy best needs an eval_strategy and metric_for_best_model, such as eval_loss"
        findings.refuse(f"{_ARGUMENTS}.save_strategy", text)
    if arguments["packing"] and arguments["max_length"] is None:
        findings.refuse(f"{_ARGUMENTS}.max_length", "packing needs a max_length to pack to")
    _check_length(arguments["max_length"], preset, findings)


def check_lora(lora: Values, quantization: Values, findings: Findings) -> None:
    """Both hold every field, defaults included; the target modules are the model's own where it is known."""
    for field in ("layers_to_transform", "layers_pattern"):
        if lora[field] is not None and not isinstance(lora["target_modules"], list):
            findings.refuse(f"{_LORA}.{field}", "needs target_modules as a list of names")
    if lora["layers_pattern"] and lora["layers_to_transform"] is None:
        findings.refuse(f"{_LORA}.layers_pattern", "needs layers_to_transform, the numbers of the layers")
    if lora["init_lora_weights"] in _TAKE_FROM_WEIGHTS and (
        quantization["load_in_4bit"] or quantization["load_in_8bit"]
    ):
        text = f"{lora['init_lora_weights']} changes the base weights, which quantised ones do not allow"
        findings.refuse(f"{_LORA}.init_lora_weights", f"{text}: use true or gaussian, or method lora")


def _check_length(max_length: int | None, preset: Preset | None, findings: Findings) -> None:
    limit = preset.context_length if preset else None
    if preset and limit and max_length and max_length > limit:
        findings.warn(
            f"TrainingArguments.max_length: {max_length} is more than the {limit} tokens that {preset.name} knows"
        )
