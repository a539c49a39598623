"""From files to requests: each Workspace with the ConfigMap that it names. Pure but for reading the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from lorabus.faults import BadFile, BadInput
from schemas.bundles import Bundle, bundle_of, identity_of
from schemas.document_limits import MAX_BYTES
from schemas.documents import Document, DocumentError, load_documents
from schemas.envelope import MAX_DATA_BYTES


@dataclass(frozen=True, slots=True)
class Request:
    """One job to ask for. `name` is how messages call the Workspace."""

    name: str
    data: dict[str, object]


def read_requests(path: Path, *, rerun: str | None = None) -> list[Request]:
    """Every Workspace in the file, as requests; `rerun` is the nonce that makes a new job of an unchanged spec."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return requests_in(load_documents(content, name=str(path)), str(path), rerun=rerun)
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror}") from error
    except DocumentError as error:
        raise BadInput(str(error)) from error


def requests_in(documents: list[Document], file: str, *, rerun: str | None = None) -> list[Request]:
    """The requests in a file's documents. Whether a Workspace is valid is ingest's to say, not ours."""
    bundle = bundle_of(documents, name=file)
    if not bundle.workspaces:
        raise BadInput(f"{file}: no Workspace in it; one has apiVersion kaito.sh/v1beta1 and kind Workspace")
    return [_request(workspace, bundle, file, rerun) for workspace in bundle.workspaces]


def _request(workspace: object, bundle: Bundle, file: str, rerun: str | None) -> Request:
    if not isinstance(workspace, Mapping):
        raise BadInput(f"{file}: a Workspace is an object with `kind: Workspace`, not {type(workspace).__name__}")
    tuning = workspace.get("tuning")
    wanted = tuning.get("config") if isinstance(tuning, Mapping) else None
    carried = {name: data for name, data in bundle.config_maps_for(workspace).items() if name == wanted}
    name = identity_of(workspace)[1] or "Workspace"
    data: dict[str, object] = {
        "workspace": dict(workspace),
        "configMaps": carried,
        **({"rerun": rerun} if rerun else {}),
    }
    _check(data, f"{file}: {name}")
    return Request(name, data)


def _check(data: dict[str, object], what: str) -> None:
    """YAML knows values that JSON does not, and ingest reads requests up to a size."""
    try:
        json.dumps(data, allow_nan=False)  # orjson would make a null, which counts as absent, of .nan.
        length = len(orjson.dumps(data))
    except (TypeError, ValueError) as error:
        raise BadInput(f"{what}: a value that JSON cannot hold: {error}") from error
    if length > MAX_DATA_BYTES:
        raise BadInput(f"{what}: {length:,} bytes with its ConfigMap, more than the {MAX_DATA_BYTES:,} of a request")
