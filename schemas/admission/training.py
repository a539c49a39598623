"""`tuning.config` as a whole: the sections, KAITO's rules for each method, and what must hold between fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from schemas.admission.config_map import PATH, ConfigFindings, Sections, find_config_map, read_sections
from schemas.admission.fields_together import check_lora, check_together
from schemas.admission.meanings import read_chat_template, read_dataset_extension, read_dataset_path
from schemas.admission.model import pin_revision
from schemas.admission.modules import resolve_modules, warn_of_modules
from schemas.admission.sections import Place, Values, read_section, with_defaults
from schemas.admission.surroundings import Surroundings
from schemas.admission.templates import TEMPLATES, template_name
from schemas.field_tables import SECTIONS
from schemas.presets import Preset
from schemas.problems import Findings, shown

if TYPE_CHECKING:
    from schemas.config import TrainingConfig

_ROOT = "/mnt"
_LOCATION = "training_config"
_KEPT_LENGTH = 64 * 1024
_BITS = ("load_in_4bit", "load_in_8bit")
_GO_TYPES = {str: "string", int: "int", float: "float64", list: "[]interface {}", dict: "map[interface {}]interface {}"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What `tuning` says beside its config; method and preset are None when they are wrong."""

    config: str
    method: str | None
    preset: Preset | None


@dataclass(frozen=True)
class Training:
    """By section: what is set, and which of it the request itself set rather than a template; not to be changed."""

    sections: dict[str, Values]
    given: dict[str, tuple[str, ...]]

    @cached_property
    def config(self) -> "TrainingConfig":
        """Made when first asked for: the offline check only wants to know."""
        from schemas.config import TrainingConfig  # noqa: PLC0415  # Importing pydantic costs 0.2 s.

        return TrainingConfig.model_validate(self.sections | {"given": self.given})


def read_training(asked: Asked, namespace: str, around: Surroundings, findings: Findings) -> Training | None:
    """None when something is wrong, which then stands in `findings`."""
    before = len(findings.problems)
    text = find_config_map(asked.config, namespace, around, findings) if asked.config else None
    if len(findings.problems) > before:
        return None
    training, found = _judge(asked, text) if len(text or "") <= _KEPT_LENGTH else _judge.__wrapped__(asked, text)
    for problem in found.problems:
        findings.refuse(problem.path, problem.message)
    for warning in found.warnings:
        findings.warn(warning)
    return training


@lru_cache(maxsize=64)
def _judge(asked: Asked, text: str | bytes | None) -> tuple[Training | None, Findings]:
    """Kept, for many Workspaces come with few ConfigMaps, and this is half the work of admission; not to be changed."""
    findings = Findings()
    return _read(asked, text, findings), findings


def _read(asked: Asked, text: str | bytes | None, findings: Findings) -> Training | None:
    name = asked.config or (template_name(asked.method) if asked.method else "")
    say = ConfigFindings(name, findings)
    sections = TEMPLATES.get(name) if text is None else read_sections(text, say)
    if sections is None:
        return None
    _check_method(sections.get("QuantizationConfig", {}), asked.method, say)
    made = _read_sections(_with_output_dir(sections, say), findings)
    given = {name: tuple(sorted(values)) for name, values in made.items() if values}
    _check_sections(made, asked.preset, findings)
    if text is None:
        return Training(made, {})
    if made.get("DataCollator", {}).get("mlm"):
        findings.warn("DataCollator.mlm: has no effect: a causal language model learns the next token, no masked ones")
    return Training(made, given)


def _check_sections(made: dict[str, Values], preset: Preset | None, findings: Findings) -> None:
    """What can be said of the sections that are right in themselves. Puts the model's revision and modules in."""
    if preset and "ModelConfig" in made:
        pin_revision(preset, made["ModelConfig"], findings)
    if "ModelConfig" in made:
        read_chat_template(made["ModelConfig"], preset, _place("ModelConfig", findings))
    if "DatasetConfig" in made:
        read_dataset_path(made["DatasetConfig"], _place("DatasetConfig", findings))
        read_dataset_extension(made["DatasetConfig"], _place("DatasetConfig", findings))
    if "TrainingArguments" in made and "DatasetConfig" in made:
        arguments = with_defaults("TrainingArguments", made["TrainingArguments"])
        check_together(arguments, with_defaults("DatasetConfig", made["DatasetConfig"]), preset, findings)
    if preset and "LoraConfig" in made:
        wanted, place = made["LoraConfig"].get("target_modules"), _place("LoraConfig", findings)
        made["LoraConfig"]["target_modules"] = resolve_modules(wanted, preset, place)
        warn_of_modules(made["LoraConfig"], preset, place)
        if "QuantizationConfig" in made:
            lora, quantization = (with_defaults(name, made[name]) for name in ("LoraConfig", "QuantizationConfig"))
            check_lora(lora, quantization, findings)


def _place(section: str, findings: Findings) -> Place:
    return Place(section, f"{PATH}.{_LOCATION}.{section}", findings)


def _check_method(quantization: Mapping[Any, object], method: str | None, say: ConfigFindings) -> None:
    where = f"{_LOCATION}.QuantizationConfig"
    values = {field: quantization.get(field) for field in _BITS}
    wrong = {field: value for field, value in values.items() if value is not None and not isinstance(value, bool)}
    for field, value in wrong.items():
        found = _GO_TYPES.get(type(value), type(value).__name__)
        say.refuse(f"{where}.{field}", f"invalid value: value must be either nil or a boolean, got type {found}")
    if wrong:
        return
    four, eight = values["load_in_4bit"] is True, values["load_in_8bit"] is True
    if four and eight:
        say.refuse(where, "Cannot set both 'load_in_4bit' and 'load_in_8bit' to true")
    if method == "lora" and (four or eight):
        say.refuse(where, "For method 'lora', 'load_in_4bit' or 'load_in_8bit' must not be true; use method qlora")
    if method == "qlora" and not four and not eight:
        text = "missing field(s): For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true"
        say.refuse(where, text)


def _with_output_dir(sections: Sections, say: ConfigFindings) -> Sections:
    """The directory as a path below /mnt, and without the nulls that KAITO takes for absent and what was refused."""
    arguments = dict(sections.get("TrainingArguments", {}))
    if "output_dir" in arguments:
        given = arguments["output_dir"]
        where = f"{_LOCATION}.TrainingArguments.output_dir"
        if isinstance(given, str):
            arguments["output_dir"] = normal_output_dir(given) or _refuse_output_dir(given, where, say)
        else:
            say.refuse(where, "invalid value: output_dir is not a string")
            del arguments["output_dir"]
    quantization = {
        field: value
        for field, value in sections.get("QuantizationConfig", {}).items()
        if isinstance(value, bool) or field not in _BITS
    }
    return {**sections, "TrainingArguments": arguments, "QuantizationConfig": quantization}


def _refuse_output_dir(given: str, where: str, say: ConfigFindings) -> str:
    text = f"invalid value: Invalid output_dir specified: '{shown(given)}', must be a directory below {_ROOT}"
    say.refuse(where, text)
    return _ROOT


def normal_output_dir(given: str) -> str | None:
    """Relative ones are below /mnt, and so are absolute ones that are not there already. None when it leaves /mnt."""
    cleaned = "/" + normpath(given).lstrip("/") if given.startswith("/") else ""
    if cleaned == _ROOT:
        return None
    if not cleaned.startswith(f"{_ROOT}/"):
        cleaned = normpath(f"{_ROOT}/{given}")
    return cleaned if cleaned.startswith(f"{_ROOT}/") else None


def _read_sections(sections: Sections, findings: Findings) -> dict[str, Values]:
    """Those that are right."""
    read = {name: read_section(sections.get(name, {}), _place(name, findings)) for name in SECTIONS}
    return {name: values for name, values in read.items() if values is not None}
