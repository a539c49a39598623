"""Section 2.5 of KAITO's contract, and where ConfigMaps come from."""

from collections.abc import Callable

import pytest

from schemas.admission import ConfigMapLookup, Verdict

Judge = Callable[..., Verdict]

QLORA = "QuantizationConfig: {load_in_4bit: true}"


def config(sections: str) -> str:
    """Sections in flow style as a training_config.yaml."""
    return f"training_config: {{{sections}}}\n"


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("a: [1, 2", "training_config.yaml", ["invalid value: yaml:", "line 2, column 1", ": training_config.yaml"]),
        ("a:\n\t- x", "training_config.yaml", ["yaml:", "line 2, column 1"]),
        ("a: 1\na: 2", "training_config.yaml", ["stands twice", "line 2"]),
        ("training_config: {}\n---\ntraining_config: {}", "training_config.yaml", ["2 documents"]),
        ("", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        ("training_config:", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        ("training_config: [1]", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        ("training_config: x", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        ("other: {}", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        ("just text", "training_config.yaml", ["Expected 'training_config' key to contain a map"]),
        (config("Foo: {}"), "training_config.Foo", ["Unrecognized section: Foo"]),
        (config("loraConfig: {}"), "training_config.loraConfig", ["Unrecognized section", "'LoraConfig'"]),
        (config("TokenizerParams: {}"), "training_config.TokenizerParams", ["Unrecognized section"]),
        (config("1: {}"), "training_config.yaml", ["Section key must be a string"]),
        (config("yes: {}"), "training_config.yaml", ["Section key must be a string"]),
        (config("LoraConfig: 4"), "training_config.LoraConfig", ["must be a map"]),
        (config("DatasetConfig: []"), "training_config.DatasetConfig", ["must be a map"]),
        (config("QuantizationConfig: x"), "training_config.QuantizationConfig", ["failed to unmarshal"]),
        (config("TrainingArguments: x"), "training_config.TrainingArguments", ["Failed to parse 'output_dir'"]),
        (
            config("QuantizationConfig: {load_in_4bit: 'true'}"),
            "training_config.QuantizationConfig.load_in_4bit",
            ["value must be either nil or a boolean, got type string"],
        ),
        (
            config("QuantizationConfig: {load_in_8bit: 1}"),
            "training_config.QuantizationConfig.load_in_8bit",
            ["value must be either nil or a boolean, got type int"],
        ),
        (
            config("QuantizationConfig: {load_in_4bit: true, load_in_8bit: false}"),
            "training_config.QuantizationConfig",
            ["For method 'lora', 'load_in_4bit' or 'load_in_8bit'", "must not be true"],
        ),
        (config("QuantizationConfig: {load_in_8bit: on}"), "training_config.QuantizationConfig", ["must not be true"]),
        *(
            (
                config(f"TrainingArguments: {{output_dir: {value}}}"),
                "training_config.TrainingArguments.output_dir",
                ["output_dir is not a string"],
            )
            for value in ("null", "5", "[a]", "true")
        ),
        *(
            (
                config(f"TrainingArguments: {{output_dir: '{value}'}}"),
                "training_config.TrainingArguments.output_dir",
                [f"Invalid output_dir specified: '{value}', must be a directory"],
            )
            for value in (
                *("", ".", "/", "..", "a/..", "../../etc", "./", "//"),
                *("/mnt", "/mnt/", "/mnt/.", "../mntevil", "/mnt/../../etc"),
            )
        ),
    ],
)
def test_refused_for_lora(judge: Judge, text: str, path: str, words: list[str]) -> None:
    problems = judge(training_config=text).problems
    assert [problem.path for problem in problems] == [f"tuning.config.{path}"]
    for word in ("Failed to evaluate validateConfigMap: ", "ConfigMap 'mine'", *words):
        assert word in problems[0].message


@pytest.mark.parametrize(
    "sections",
    [
        "",
        "QuantizationConfig: null",
        "QuantizationConfig: {}",
        "QuantizationConfig: {load_in_4bit: false}",
        "QuantizationConfig: {load_in_4bit: null, load_in_8bit: null}",
        "QuantizationConfig: {bnb_4bit_quant_type: nf4}",
    ],
)
def test_qlora_needs_4_or_8_bit(judge: Judge, sections: str) -> None:
    problems = judge({"tuning.method": "qlora"}, training_config=config(sections)).problems
    assert len(problems) == 1
    assert "For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true" in problems[0].message


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_every_value_that_is_no_boolean_is_told_so_once(judge: Judge, method: str) -> None:
    text = config("QuantizationConfig: {load_in_4bit: [x], load_in_8bit: perhaps}")
    problems = judge({"tuning.method": method}, training_config=text).problems
    assert [problem.path.rpartition(".")[2] for problem in problems] == ["load_in_4bit", "load_in_8bit"]
    for problem, kind in zip(problems, ["[]interface {}", "string"], strict=True):
        assert f"value must be either nil or a boolean, got type {kind}" in problem.message


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_4_and_8_bit_exclude_each_other(judge: Judge, method: str) -> None:
    text = config("QuantizationConfig: {load_in_4bit: true, load_in_8bit: true}")
    messages = [problem.message for problem in judge({"tuning.method": method}, training_config=text).problems]
    assert "Cannot set both 'load_in_4bit' and 'load_in_8bit' to true" in messages[0]


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("lora", "training_config: {}"),
        ("lora", config("QuantizationConfig: null, LoraConfig: , TrainingArguments: ~")),
        ("lora", config("QuantizationConfig: {load_in_4bit: null, load_in_8bit: false}")),
        ("lora", "other: 1\ntraining_config: {}"),
        ("qlora", config(QLORA)),
        ("qlora", config("QuantizationConfig: {load_in_8bit: yes}")),
        ("QLoRA", config(QLORA)),
    ],
)
def test_taken(judge: Judge, method: str, text: str) -> None:
    assert judge({"tuning.method": method}, training_config=text).problems == ()


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (None, "/mnt/output"),
        ("results", "/mnt/results"),
        ("/mnt/results", "/mnt/results"),
        ("/mnt//a/./b/../c/", "/mnt/a/c"),
        ("//mnt/a", "/mnt/a"),
        ("/results", "/mnt/results"),
        ("/etc", "/mnt/etc"),
        ("/mnt/../etc", "/mnt/etc"),
        ("a/../b", "/mnt/b"),
        ("mnt", "/mnt/mnt"),
        ("..a", "/mnt/..a"),
    ],
)
def test_output_dir_is_a_directory_below_mnt(judge: Judge, given: str | None, normal: str) -> None:
    arguments = f"output_dir: '{given}'" if given is not None else ""
    spec = judge(training_config=config(f"TrainingArguments: {{{arguments}}}")).spec
    assert spec is not None
    assert spec.output_dir == spec.config.training.output_dir == normal


def test_a_config_map_without_the_key(judge: Judge) -> None:
    problems = judge({"tuning.config": "mine"}, config_maps={"mine": {"config.yaml": "x"}}).problems
    assert [problem.path for problem in problems] == ["tuning.config"]
    for word in ("missing field(s)", "does not contain 'training_config.yaml'", "config.yaml"):
        assert word in problems[0].message


@pytest.mark.parametrize("data", [None, "text", [], {"training_config.yaml": {"training_config": {}}}, {1: 2}])
def test_a_config_map_that_is_none(judge: Judge, data: object) -> None:
    assert not judge({"tuning.config": "mine"}, config_maps={"mine": data}).valid


def test_a_missing_config_map_says_where_it_was_looked_for(judge: Judge) -> None:
    problems = judge(
        {"tuning.config": "mine", "metadata.namespace": "team"},
        config_maps={"mines": {}},
        find_config_map=lambda namespace, name: ConfigMapLookup(None, f"/maps of {namespace}/{name}"),
    ).problems
    assert [problem.path for problem in problems] == ["tuning.config"]
    for word in (
        "ConfigMap 'mine' specified in 'config' not found in namespace 'team'",
        "did you mean 'mines'",
        "/maps of team/mine",
    ):
        assert word in problems[0].message


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a\x00b", "Not_A_Name"])
def test_names_that_kubernetes_does_not_have_are_not_looked_up(judge: Judge, name: str) -> None:
    def find(_: str, name: str) -> ConfigMapLookup:
        raise AssertionError(name)

    problems = judge({"tuning.config": name}, find_config_map=find).problems
    assert "not found in namespace 'default'" in problems[0].message


def test_the_request_s_own_config_map_comes_first(judge: Judge) -> None:
    found = {"training_config.yaml": config("LoraConfig: {r: 2}")}
    mine = {"mine": {"training_config.yaml": config("LoraConfig: {r: 4}")}}

    def find(namespace: str, name: str) -> ConfigMapLookup:
        assert (namespace, name) == ("default", "mine")
        return ConfigMapLookup(found, "there")

    changes = {"tuning.config": "mine"}
    both, only_found = judge(changes, config_maps=mine, find_config_map=find), judge(changes, find_config_map=find)
    assert both.spec is not None
    assert only_found.spec is not None
    assert (both.spec.config.lora.r, only_found.spec.config.lora.r) == (4, 2)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_a_file_in_another_encoding_is_refused_and_not_repaired(judge: Judge, encoding: str) -> None:
    text = config("DatasetConfig: {response_column: Réponse}").encode(encoding)
    found = ConfigMapLookup({"training_config.yaml": text}, "there")
    problems = judge({"tuning.config": "mine"}, find_config_map=lambda *_: found).problems
    assert [problem.path for problem in problems] == ["tuning.config.training_config.yaml"]
    assert "invalid value: yaml: not UTF-8" in problems[0].message
    assert "line 1, column " in problems[0].message


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_kaito_s_templates_can_be_named(judge: Judge, method: str) -> None:
    named = judge({"tuning.method": method, "tuning.config": f"{method}-params-template"})
    assert named.spec is not None
    for none in (..., None, ""):
        assert judge({"tuning.method": method, "tuning.config": none}).spec == named.spec


def test_the_templates_are_judged_by_the_method_too(judge: Judge) -> None:
    problems = judge({"tuning.method": "lora", "tuning.config": "qlora-params-template"}).problems
    assert "must not be true" in problems[0].message


def test_the_lora_template_is_kaito_s(judge: Judge) -> None:
    spec = judge().spec
    assert spec is not None
    config = spec.config
    assert (config.model.torch_dtype, config.model.local_files_only, config.model.device_map) == (
        "bfloat16",
        True,
        "auto",
    )
    assert (config.quantization.load_in_4bit, config.quantization.load_in_8bit) == (False, False)
    assert (config.lora.r, config.lora.lora_alpha, config.lora.lora_dropout) == (8, 8, 0.0)
    training = config.training
    assert (training.output_dir, training.save_strategy) == ("/mnt/results", "no")
    assert (training.per_device_train_batch_size, training.ddp_find_unused_parameters) == (1, False)
    assert (config.dataset.shuffle_dataset, config.dataset.train_test_split, config.collator.mlm) == (True, 1.0, True)
    assert config.given == {}
    assert training.model_fields_set == set()


def test_the_qlora_template_is_kaito_s(judge: Judge) -> None:
    spec = judge({"tuning.method": "qlora"}).spec
    assert spec is not None
    quantization = spec.config.quantization
    assert (quantization.load_in_4bit, quantization.bnb_4bit_quant_type) == (True, "nf4")
    assert (quantization.bnb_4bit_compute_dtype, quantization.bnb_4bit_use_double_quant) == ("bfloat16", True)


def test_without_a_section_the_trainer_s_defaults_hold(judge: Judge) -> None:
    """Section 4.1, and not the templates of 4.2."""
    spec = judge(training_config="training_config: {}").spec
    assert spec is not None
    config = spec.config
    assert (config.model.torch_dtype, config.model.local_files_only, config.model.chat_template) == (None, False, None)
    assert (config.quantization.llm_int8_threshold, config.quantization.bnb_4bit_compute_dtype) == (6.0, "float32")
    assert (config.quantization.bnb_4bit_quant_type, config.quantization.bnb_4bit_use_double_quant) == ("fp4", False)
    assert (config.lora.init_lora_weights, config.lora.bias, config.lora.task_type) == (True, "none", None)
    assert (config.training.num_train_epochs, config.training.per_device_train_batch_size) == (3.0, 8)
    assert (config.training.save_strategy, config.training.output_dir) == ("steps", "/mnt/output")
    dataset = config.dataset
    assert (dataset.dataset_path, dataset.dataset_extension, dataset.shuffle_seed) == (None, None, 42)
    assert (dataset.shuffle_dataset, dataset.train_test_split) == (True, 0.8)
    assert (dataset.context_column, dataset.response_column, dataset.messages_column) == (None, "text", None)
    assert (config.collator.mlm, config.collator.mlm_probability, config.collator.pad_to_multiple_of) == (
        True,
        0.15,
        None,
    )
