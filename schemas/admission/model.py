"""`tuning.preset` and ModelConfig: which base model, at which revision, and how it is asked to load."""

from schemas.admission.config_map import PATH
from schemas.admission.reading import Reader
from schemas.config import ModelConfig
from schemas.presets import Preset, UnknownPreset, find_preset, tunable_presets
from schemas.problems import Findings, shown
from schemas.workspace import ModelRef

_FIELDS = {"name", "accessMode", "presetOptions"}
_OPTIONS = {"image", "imagePullSecrets", "modelAccessSecret"}
_ACCESS_MODES = ("public", "private")
_MODEL_CONFIG = f"{PATH}.training_config.ModelConfig"


def read_preset(tuning: Reader) -> Preset | None:
    reader = tuning.child("preset", _FIELDS)
    if reader is None:
        tuning.refuse("preset", f"missing field(s): tuning.Preset; give it a name: {', '.join(tunable_presets())}")
        return None
    _check_options(reader)
    found = find_preset(reader.text("name"))
    if isinstance(found, Preset) and found.tunable:
        return found
    start = f"invalid value: Unsupported tuning preset name {shown(reader.text('name'))}: tuning.presetName"
    near = f" (did you mean {found.nearest!r}?)" if isinstance(found, UnknownPreset) and found.nearest else ""
    what = "; it cannot be tuned" if isinstance(found, Preset) else ""
    reader.refuse("name", f"{start}{what}{near}; tunable are {', '.join(tunable_presets())} and any organisation/model")
    return None


def _check_options(preset: Reader) -> None:
    mode = preset.text("accessMode")
    if mode and mode not in _ACCESS_MODES:
        preset.refuse("accessMode", f"invalid value: {shown(mode)!r} must be public or private")
    options = preset.child("presetOptions", _OPTIONS)
    if options is None:
        return
    options.texts("imagePullSecrets")
    for field in ("image", "modelAccessSecret"):
        if options.text(field):
            text = "has no effect: weights are taken from LORABUS_MODELS"
            preset.findings.warn(f"{options.at(field)}: {text}")


def resolve_model(preset: Preset, config: ModelConfig, findings: Findings) -> tuple[ModelRef, ModelConfig]:
    """A pinned revision stays; only a model that nobody pinned takes the one that ModelConfig names."""
    revision = preset.revision
    if config.revision not in ("main", preset.revision):
        if preset.revision == "main":
            revision = config.revision
        else:
            findings.warn(f"ModelConfig.revision: has no effect: {preset.name} is pinned at {preset.revision}")
    if config.device_map != "auto":
        findings.warn("ModelConfig.device_map: has no effect: lorabus places the model itself")
    resolved = config.model_copy(update={"revision": revision, "device_map": "auto"})
    resolved.model_fields_set.intersection_update(config.model_fields_set)
    return ModelRef(repository=preset.repository, revision=revision), resolved
