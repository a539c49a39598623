"""Fields of `training_config.yaml` that a service cannot take as they are, each with its reason.

A field that is set to what it is anyway passes without a word, whatever stands here.
"""

from collections.abc import Mapping

# Refused: to leave these out silently would train something else than was asked for, or run what nobody checked.
_CODE = "it would run code that nobody here has checked"
_DATA = "it needs data or a second configuration that a request cannot bring"
_DEVICES = "lorabus itself decides how a model is spread over devices; remove it"
_HUB = "the adapter goes where tuning.output says and to no hub; remove it"

REFUSED: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "pretrained_model_name_or_path": "tuning.preset.name decides which model is tuned; remove it",
        "state_dict": "weights cannot stand in a request; remove it",
        "trust_remote_code": f"{_CODE}; only architectures that transformers itself has are tuned",
    },
    "QuantizationConfig": {"quant_method": "bitsandbytes is the only one; remove it"},
    "LoraConfig": {
        "base_model_name_or_path": "tuning.preset.name decides which model is tuned; remove it",
        "revision": "it is the revision of the base model, which is pinned; remove it",
        "peft_type": "the adapter is LORA; remove it",
        "auto_mapping": _CODE,
        "inference_mode": "the adapter could not learn; remove it",
        "megatron_config": _DEVICES,
        "megatron_core": _CODE,
        "loftq_config": _DATA,
        "eva_config": _DATA,
        "corda_config": _DATA,
        "lora_ga_config": _DATA,
        "velora_config": _DATA,
        "monteclora_config": _DATA,
        "arrow_config": _DATA,
        "kasa_config": _DATA,
        "use_bdlora": _DATA,
        "runtime_config": _DEVICES,
        **dict.fromkeys(
            ("alora_invocation_tokens", "use_qalora", "qalora_group_size", "layer_replication", "target_parameters"),
            "the adapter would not load in KAITO's inference or vLLM; remove it",
        ),
        "trainable_token_indices": "the adapter would not load in KAITO's inference or vLLM; remove it",
        "ensure_weight_tying": "the adapter would not load in KAITO's inference or vLLM; remove it",
    },
    "TrainingArguments": {
        "push_to_hub": _HUB,
        "hub_token": "a secret must not stand in a ConfigMap, and no hub is used; remove it",
        "trust_remote_code": f"{_CODE}; only architectures that transformers itself has are tuned",
        "model_init_kwargs": "write what it says into ModelConfig and QuantizationConfig",
        "chat_template_path": "no file is read; put the template itself into ModelConfig.chat_template",
        "deepspeed": _DEVICES,
        "fsdp": _DEVICES,
        "fsdp_config": _DEVICES,
        "parallelism_config": _DEVICES,
        "accelerator_config": _DEVICES,
    },
    "DatasetConfig": {},
    "DataCollator": {"tokenizer": "the model's own tokenizer is used; remove it"},
}

# Left out with a warning: the adapter that comes out is the same.
_NO_DOWNLOAD = "weights are not downloaded in a job"
_NO_HUB = "no hub is used"
_EVENTS = "progress goes to the status topic"
_RESUME = "lorabus saves and resumes by itself"
_WORKERS = "lorabus sizes its own processes"
_SPEED = "lorabus chooses how it computes"
_DATASET = "lorabus tokenises and packs the data itself"

IGNORED: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        "cache_dir": _NO_DOWNLOAD,
        "force_download": _NO_DOWNLOAD,
        "proxies": _NO_DOWNLOAD,
        "output_loading_info": "nobody reads it",
    },
    "QuantizationConfig": {},
    "LoraConfig": {"peft_version": "it is written by the library"},
    "TrainingArguments": {
        **dict.fromkeys(
            ("hub_model_id", "hub_strategy", "hub_private_repo", "hub_always_push", "hub_revision"), _NO_HUB
        ),
        **dict.fromkeys(
            (
                *("report_to", "run_name", "project", "trackio_space_id", "trackio_bucket_id"),
                *("trackio_static_space_id", "log_level", "log_level_replica", "log_on_each_node", "disable_tqdm"),
                *("skip_memory_metrics", "include_num_input_tokens_seen", "debug"),
            ),
            _EVENTS,
        ),
        "logging_nan_inf_filter": "a loss that is no number ends the job",
        **dict.fromkeys(
            (
                *("resume_from_checkpoint", "save_only_model", "save_on_each_node", "enable_jit_checkpoint"),
                *("restore_callback_states_from_checkpoint", "ignore_data_skip"),
            ),
            _RESUME,
        ),
        **dict.fromkeys(
            (
                *("dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_multiprocessing_context"),
                *("dataloader_persistent_workers", "dataset_num_proc", "local_rank", "ddp_backend"),
            ),
            _WORKERS,
        ),
        **dict.fromkeys(
            (
                *("torch_compile", "torch_compile_backend", "torch_compile_mode", "use_liger_kernel"),
                *("liger_kernel_config", "optim_args", "optim_target_modules"),
            ),
            _SPEED,
        ),
        **dict.fromkeys(("dataset_kwargs", "remove_unused_columns", "label_names", "length_column_name"), _DATASET),
        **dict.fromkeys(
            ("do_train", "do_eval", "do_predict"), "a job trains, and evaluates when eval_strategy says so"
        ),
    },
    "DatasetConfig": {},
    "DataCollator": {},
}

# Kept as they are, for they belong to what was asked for, and warned about when they ask for what does not happen.
_SAID = "progress is told at most once a second, whatever this says"
_SCORED = "lorabus evaluates on its own: loss, perplexity and token accuracy, in the training's number format"
_UNPADDED = "rows are put one behind the other and not padded"

INERT: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {},
    "QuantizationConfig": {"llm_int8_enable_fp32_cpu_offload": "the whole model lies on one device"},
    "LoraConfig": {},
    "TrainingArguments": {
        **dict.fromkeys(("logging_strategy", "logging_first_step"), _SAID),
        "logging_steps": f"{_SAID}; only where eval_steps is not given it stands for that",
        "auto_find_batch_size": "when memory runs out, a step is cut into more passes of fewer tokens, always",
        "per_device_eval_batch_size": "the evaluation comes out the same whatever its batches; lorabus sizes them",
        "eval_packing": "the evaluation comes out the same packed or not",
        "packing_strategy": "rows are packed best fit first and never cut, as bfd does",
        "pad_token": _UNPADDED,
        "pad_to_multiple_of": _UNPADDED,
        "save_total_limit": "the newest checkpoints are kept until the job ends",
        "metric_for_best_model": "the best is the one with the least eval_loss",
        "greater_is_better": "the best is the one with the least eval_loss",
        "truncation_mode": "rows that are too long lose their end",
        "shuffle_dataset": "DatasetConfig.shuffle_dataset decides",
        "dataloader_drop_last": "no row is left out: the last step of an epoch may be smaller",
        "average_tokens_across_devices": "the loss is always the mean over the tokens of all devices",
        "router_aux_loss_coef": "no auxiliary loss is added",
        "torch_empty_cache_steps": "the cache is emptied when memory runs out",
        "use_cache": "it is off in training and on in generation",
        "eval_on_start": "the evaluation at the end has the base model's figures beside the adapter's",
        "eval_delay": "the first evaluation comes after eval_steps, or after the first epoch",
        **dict.fromkeys(
            (
                *("batch_eval_metrics", "bf16_full_eval", "fp16_full_eval", "eval_accumulation_steps"),
                *("eval_do_concat_batches", "eval_use_gather_object", "include_for_metrics", "prediction_loss_only"),
            ),
            _SCORED,
        ),
        **dict.fromkeys(("dataloader_in_order", "dataloader_pin_memory"), _WORKERS),
    },
    "DatasetConfig": {},
    "DataCollator": {
        **dict.fromkeys(
            ("mlm_probability", "whole_word_mask", "mask_replace_prob", "random_replace_prob", "seed"),
            "a causal language model learns the next token, no masked ones",
        ),
        "pad_to_multiple_of": _UNPADDED,
    },
}
# What happens anyway, in words that are not the default.
HAPPENS: Mapping[str, tuple[object, ...]] = {"metric_for_best_model": ("loss", "eval_loss")}

# Fields that some release of KAITO took and the libraries have dropped since.
_GONE = "current libraries have no such field"

DROPPED: Mapping[str, Mapping[str, str]] = {
    "ModelConfig": {
        **dict.fromkeys(
            ("from_tf", "from_flax", "resume_download", "mirror", "use_auth_token", "allow_remote_files"), _GONE
        ),
        **dict.fromkeys(("load_in_4bit", "load_in_8bit"), "QuantizationConfig decides"),
    },
    "QuantizationConfig": {},
    "LoraConfig": {},
    "TrainingArguments": dict.fromkeys(
        (
            *("overwrite_output_dir", "logging_dir", "use_mps_device", "jit_mode_eval", "use_ipex", "fp16_opt_level"),
            *("fp16_backend", "half_precision_backend", "tpu_num_cores", "tpu_metrics_debug", "past_index"),
            *("mp_parameters", "push_to_hub_model_id", "push_to_hub_organization", "push_to_hub_token"),
            *("sharded_ddp", "fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap", "torchdynamo", "ray_scope"),
            *("dispatch_batches", "split_batches", "include_tokens_per_second", "include_inputs_for_metrics"),
            *("save_safetensors", "dataset_batch_size", "num_of_sequences", "chars_per_token", "xpu_backend"),
            *("use_legacy_prediction_loop", "use_liger"),
        ),
        _GONE,
    ),
    "DatasetConfig": {},
    "DataCollator": {"tf_experimental_compile": _GONE},
}

# The same thing under the name that it has here.
RENAMED: Mapping[str, Mapping[str, str]] = {
    "TrainingArguments": {
        "evaluation_strategy": "eval_strategy",
        "per_gpu_train_batch_size": "per_device_train_batch_size",
        "per_gpu_eval_batch_size": "per_device_eval_batch_size",
        "no_cuda": "use_cpu",
        "max_seq_length": "max_length",
        "warmup_ratio": "warmup_steps",
        "group_by_length": "train_sampling_strategy",
        "adafactor": "optim",
        "activation_checkpointing": "gradient_checkpointing",
        "activation_checkpointing_kwargs": "gradient_checkpointing_kwargs",
    },
}

# What a field holds under its old name: from 1 on, a share of the steps would be read as their number.
OLD_SCHEMAS: Mapping[str, Mapping[str, object]] = {"warmup_ratio": {"type": "number", "ge": 0, "lt": 1}}

# What `true` means for switches that have become a choice; `false` asked for nothing.
SWITCHES: Mapping[str, str] = {"group_by_length": "group_by_length", "adafactor": "adafactor"}

# Optimizers of libraries that the trainer does not have.
MISSING_OPTIMIZERS = (
    *("galore", "lomo", "adalomo", "grokadamw", "schedule_free", "apollo", "stable_adamw", "adamw_anyprecision"),
    *("adamw_torch_4bit", "adamw_torch_8bit", "adamw_torch_xla", "adamw_torch_npu_fused"),
)
