"""`tuning.preset` and ModelConfig: which base model, at which revision, and how it is asked to load."""

from schemas.admission.reading import Reader
from schemas.admission.sections import Values
from schemas.presets import Preset, UnknownPreset, find_preset, tunable_presets
from schemas.problems import Findings, shown

_FIELDS = {"name", "accessMode", "presetOptions"}
_OPTIONS = {"image", "imagePullSecrets", "modelAccessSecret"}
_ACCESS_MODES = ("public", "private")


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


def pin_revision(preset: Preset, config: Values, findings: Findings) -> None:
    """A pinned revision stays; only a model that nobody pinned takes the one that ModelConfig names.

    `config` is ModelConfig with what the request set, and is brought in line.
    """
    revision, asked = preset.revision, config.get("revision", "main")
    if asked not in ("main", preset.revision):
        if preset.revision == "main":
            revision = asked
        else:
            findings.warn(f"ModelConfig.revision: has no effect: {preset.name} is pinned at {preset.revision}")
    if config.get("device_map", "auto") != "auto":
        findings.warn("ModelConfig.device_map: has no effect: lorabus places the model itself")
    config |= {"revision": revision, "device_map": "auto"}
