"""`tuning`: every rule of it, and the resolved spec when none is broken."""

from schemas.admission.destination import read_output
from schemas.admission.model import read_preset, resolve_model
from schemas.admission.reading import Reader
from schemas.admission.source import read_input
from schemas.admission.surroundings import Surroundings
from schemas.admission.training import Asked, read_training
from schemas.admission.update import fixed_of
from schemas.admission.workspace import Head
from schemas.problems import shown
from schemas.workspace import Method, ResolvedSpec

_FIELDS = {"preset", "method", "config", "input", "output"}
_METHODS: dict[str, Method] = {"lora": "lora", "qlora": "qlora"}


def read_tuning(head: Head, around: Surroundings) -> ResolvedSpec | None:
    """None when there is a problem, here or in what was read before."""
    tuning = head.root.child("tuning", _FIELDS)
    if tuning is None:
        return None
    method = _read_method(tuning)
    preset = read_preset(tuning)
    asked = Asked(tuning.text("config"), head.namespace, method, preset)
    config = read_training(asked, around, tuning.findings)
    source = read_input(tuning, around)
    output = read_output(tuning, around)
    if tuning.findings.problems or not (method and preset and config and source and output):
        return None
    model, model_config = resolve_model(preset, config.model, tuning.findings)
    return ResolvedSpec(
        namespace=head.namespace,
        name=head.name,
        preset=preset.name,
        model=model,
        method=method,
        input=source,
        output=output,
        config=config.model_copy(update={"model": model_config}),
        output_dir=config.training.output_dir,
        fixed=fixed_of(head.root.value),
    )


def _read_method(tuning: Reader) -> Method | None:
    given = tuning.text("method")
    method = _METHODS.get(given.lower())
    if method is None:
        tuning.refuse("method", f"invalid value: {shown(given)}: tuning.Method must be lora or qlora")
    return method
