"""From files to requests: each Workspace with the ConfigMap that it names. Pure but for reading the files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lorabus.faults import BadFile, BadInput
from schemas.documents import Document, DocumentError, load_documents
from schemas.events.job import TuningRequest


@dataclass(frozen=True, slots=True)
class Request:
    """One job to ask for. `name` is how messages call the Workspace."""

    name: str
    data: dict[str, object]


def read_requests(path: Path, *, rerun: str | None = None) -> list[Request]:
    """Every Workspace in the file, as requests; `rerun` is the nonce that makes a new job of an unchanged spec."""
    try:
        return requests_in(load_documents(path.read_bytes(), name=str(path)), str(path), rerun=rerun)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    except DocumentError as error:
        raise BadFile(str(error)) from error


def requests_in(documents: Iterable[Document], file: str, *, rerun: str | None = None) -> list[Request]:
    """The requests in a file's documents. Whether a Workspace is valid is ingest's to say, not ours."""
    objects = [_object(document, file) for document in documents]
    config_maps = dict(_config_map(value, file) for value in objects if value.get("kind") == "ConfigMap")
    workspaces = [value for value in objects if value.get("kind") != "ConfigMap"]
    strange = [value.get("kind") for value in workspaces if value.get("kind") != "Workspace"]
    if strange:
        raise BadInput(f"{file}: a document of kind {strange[0]!r}; a request has Workspaces and ConfigMaps only")
    if not workspaces:
        raise BadInput(f"{file}: no Workspace in it (a document with `kind: Workspace`)")
    return [_request(workspace, config_maps, rerun) for workspace in workspaces]


def _object(document: Document, file: str) -> dict[str, object]:
    if not isinstance(document.value, dict):
        kind = type(document.value).__name__
        raise BadInput(f"{file}:{document.line}: a Workspace is an object with `kind: Workspace`, this is a {kind}")
    return document.value


def _request(workspace: dict[str, object], config_maps: dict[str, dict[str, str]], rerun: str | None) -> Request:
    wanted = _at(workspace, "tuning", "config")
    carried = {name: data for name, data in config_maps.items() if name == wanted}
    request = TuningRequest(workspace=workspace, config_maps=carried, rerun=rerun)
    return Request(str(_at(workspace, "metadata", "name") or "(without a name)"), request.to_wire())


def _config_map(value: dict[str, object], file: str) -> tuple[str, dict[str, str]]:
    name, data = _at(value, "metadata", "name"), value.get("data")
    if not isinstance(name, str) or not isinstance(data, dict):
        raise BadInput(f"{file}: a ConfigMap needs metadata.name and data")
    texts = {key: text for key, text in data.items() if isinstance(key, str) and isinstance(text, str)}
    if len(texts) != len(data):
        raise BadInput(f"{file}: ConfigMap {name}: every value under data is text (write `key: |` before it)")
    return name, texts


def _at(value: dict[str, object], *path: str) -> object:
    found: object = value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
