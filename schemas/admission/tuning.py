"""`tuning`: every rule of it, and the resolved spec when none is broken."""

from schemas.admission.destination import read_output
from schemas.admission.model import read_preset
from schemas.admission.reading import Part, Reader
from schemas.admission.source import read_input
from schemas.admission.surroundings import Surroundings
from schemas.admission.training import Asked, read_training
from schemas.admission.update import fixed_of
from schemas.admission.workspace import Head
from schemas.field_tables import config_fields
from schemas.problems import shown

_FIELDS = {"preset", "method", "config", "input", "output"}
_METHODS = ("lora", "qlora")


def read_tuning(head: Head, around: Surroundings) -> Part | None:
    """The fields of a ResolvedSpec, its `config` as a `Training`; None when there is a problem, here or before."""
    tuning = head.root.child("tuning", _FIELDS)
    if tuning is None:
        return None
    method = _read_method(tuning)
    preset = read_preset(tuning)
    asked = Asked(tuning.text("config"), method, preset)
    training = read_training(asked, head.namespace, around, tuning.findings)
    source = read_input(tuning, around)
    output = read_output(tuning, around)
    if tuning.findings.problems or preset is None or training is None:
        return None
    default_output_dir = config_fields()["TrainingArguments"]["output_dir"]["default"]
    return {
        "namespace": head.namespace,
        "name": head.name,
        "preset": preset.name,
        "model": {"repository": preset.repository, "revision": training.sections["ModelConfig"]["revision"]},
        "method": method,
        "input": source,
        "output": output,
        "config": training,
        "output_dir": training.sections["TrainingArguments"].get("output_dir", default_output_dir),
        "fixed": fixed_of(head.root.value),
    }


def _read_method(tuning: Reader) -> str | None:
    given = tuning.text("method")
    if given.lower() not in _METHODS:
        tuning.refuse("method", f"invalid value: {shown(given)}: tuning.Method must be lora or qlora")
        return None
    return given.lower()
