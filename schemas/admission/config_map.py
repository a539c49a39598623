"""`tuning.config`: finds the ConfigMap and reads its `training_config.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.admission.reading import is_subdomain
from schemas.admission.surroundings import Surroundings
from schemas.admission.templates import TEMPLATES
from schemas.documents import DocumentError, load_documents
from schemas.field_tables import SECTIONS
from schemas.problems import Findings, did_you_mean, kind, shown

KEY = "training_config.yaml"
PATH = "tuning.config"
_PREFIX = "Failed to evaluate validateConfigMap: "
# Far more than a configuration needs, and no more than a moment's work.
_MAX_BYTES = 256 * 1024
_MAX_COST = 50_000

Sections = Mapping[str, Mapping[Any, object]]


@dataclass(frozen=True, slots=True)
class ConfigFindings:
    """Says in which ConfigMap a problem is."""

    name: str
    findings: Findings

    def refuse(self, where: str, message: str) -> None:
        path = f"{PATH}.{where}" if where else PATH
        self.findings.refuse(path, f"{_PREFIX}{message} in ConfigMap {shown(self.name)!r}")


def find_config_map(name: str, namespace: str, around: Surroundings, findings: Findings) -> str | bytes | None:
    """The text of its `training_config.yaml`; None for KAITO's own templates, and for what is then in `findings`."""
    found = _find(name, namespace, around, findings)
    if found is None:
        return None
    say = ConfigFindings(name, findings)
    if not isinstance(found, Mapping):
        say.refuse("", f"expected a map of texts, not {kind(found)}")
        return None
    text = found.get(KEY)
    if isinstance(text, str | bytes):
        return text
    what = "missing field(s): training_config.yaml: it does not contain 'training_config.yaml' as text"
    say.refuse("", f"{what}; its keys are {shown(', '.join(map(str, found))) or 'none'}")
    return None


def _find(name: str, namespace: str, around: Surroundings, findings: Findings) -> object:
    """The data of the ConfigMap; None for KAITO's own templates, and when it is nowhere, which then is a finding."""
    if name in around.config_maps:
        return around.config_maps[name]
    looked_in = [
        f"this request ({shown(', '.join(map(str, around.config_maps))) or 'which brings none for that namespace'})"
    ]
    if around.find_config_map and is_subdomain(name):
        lookup = around.find_config_map(namespace, name)
        if lookup.data is not None:
            return lookup.data
        looked_in.append(lookup.looked_in)
    if name not in TEMPLATES:
        text = f"ConfigMap '{shown(name)}' specified in 'config' not found in namespace '{shown(namespace)}'"
        hint = did_you_mean(name, [*map(str, around.config_maps), *TEMPLATES])
        findings.refuse(PATH, f"{_PREFIX}{text}{hint}: looked in {' and in '.join(looked_in)}")
    return None


def read_sections(text: str | bytes, say: ConfigFindings) -> Sections | None:
    """As they are written, each a map; None when that is not what the text holds."""
    top = _only_document(text, say)
    if top is None:
        return None
    config = top.value.get("training_config") if isinstance(top.value, Mapping) else None
    if not isinstance(config, Mapping):
        say.refuse(KEY, f"invalid value: Expected 'training_config' key to contain a map, not {kind(config)}")
        return None
    sections = {}
    for section, values in config.items():
        if not isinstance(section, str):
            say.refuse(KEY, f"invalid value: Section key must be a string, not {kind(section)}")
        elif section not in SECTIONS:
            hint = did_you_mean(section, SECTIONS) or f"; there are {', '.join(SECTIONS)}"
            say.refuse(
                f"training_config.{shown(section)}", f"invalid value: Unrecognized section: {shown(section)}{hint}"
            )
        elif values is not None and not isinstance(values, Mapping):
            say.refuse(f"training_config.{section}", _no_map(section, values))
        else:
            sections[section] = values or {}
    return sections


@dataclass(frozen=True, slots=True)
class _Top:
    value: object


def _only_document(text: str | bytes, say: ConfigFindings) -> _Top | None:
    if len(text) > _MAX_BYTES:
        say.refuse(KEY, f"{KEY} is larger than {_MAX_BYTES >> 10} KiB")
        return None
    try:
        documents = load_documents(text, name=KEY, max_cost=_MAX_COST)
    except DocumentError as error:
        where = f"line {error.line}, column {error.column}"
        say.refuse(KEY, f"invalid value: yaml: {error.message.removeprefix('yaml: ')} ({where}): {KEY}")
        return None
    if len(documents) > 1:
        say.refuse(KEY, f"invalid value: yaml: it holds {len(documents)} documents, not one: {KEY}")
        return None
    return _Top(documents[0].value if documents else None)


def _no_map(section: str, values: object) -> str:
    """KAITO has words of its own for two of the sections."""
    start = {
        "QuantizationConfig": "invalid value: failed to unmarshal: ",
        "TrainingArguments": "Failed to parse 'output_dir': ",
    }.get(section, "invalid value: ")
    return f"{start}section {section} must be a map, not {kind(values)}"
