"""The Workspaces of a file or a request, and the ConfigMaps that come with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from schemas.documents import Document, DocumentError
from schemas.problems import nearest

_Map = Mapping[object, object]
MAX_OBJECTS = 2000
"""Workspaces, and ConfigMaps, of one file: each Workspace looks at every ConfigMap, and each gets an answer."""


@dataclass(slots=True)
class Bundle:
    """`workspaces` hold anything that was meant as one, right or wrong; `config_maps` are by namespace and name.

    A ConfigMap without a namespace is for every Workspace beside it, as with `kubectl apply -n`.
    """

    workspaces: list[object] = field(default_factory=list)
    config_maps: dict[tuple[str | None, str], object] = field(default_factory=dict)

    def config_maps_for(self, workspace: object) -> dict[str, object]:
        """Those in the Workspace's namespace, by name."""
        namespace = identity_of(workspace)[0]
        anywhere = {name: data for (where, name), data in self.config_maps.items() if where is None}
        return anywhere | {name: data for (where, name), data in self.config_maps.items() if where == namespace}

    def add(self, documents: Iterable[Document]) -> None:
        for document in documents:
            for value in _items(document.value):
                self._add(value)

    def _add(self, value: object) -> None:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if isinstance(value, Mapping) and kind == "ConfigMap":
            namespace, name = _names(value)
            self.config_maps[namespace, name] = value.get("data") or {}
        elif isinstance(value, Mapping) and kind is None and isinstance(value.get("workspace"), Mapping):
            self._add_request(value)
        elif not _is_of_others(value):
            self.workspaces.append(value)

    def _add_request(self, request: _Map) -> None:
        """A request's data: the Workspace and its ConfigMaps in one object."""
        self.workspaces.append(request["workspace"])
        config_maps = request.get("configMaps")
        for name, data in config_maps.items() if isinstance(config_maps, Mapping) else ():
            self.config_maps[None, str(name)] = data


def bundle_of(documents: Iterable[Document], *, name: str) -> Bundle:
    """The bundle of one file; raises DocumentError where it holds more than is taken at once."""
    bundle = Bundle()
    bundle.add(documents)
    most = max(len(bundle.workspaces), len(bundle.config_maps))
    if most > MAX_OBJECTS:
        message = f"{most:,} Workspaces or ConfigMaps, more than {MAX_OBJECTS:,}; split it into several files"
        raise DocumentError(message, name=name)
    return bundle


def identity_of(workspace: object) -> tuple[str, str]:
    """Namespace and name, as far as there are any."""
    namespace, name = _names(workspace) if isinstance(workspace, Mapping) else (None, "")
    return namespace or "default", name


def _items(value: object) -> Iterator[object]:
    """`kubectl get -o yaml` wraps several objects into a List."""
    if isinstance(value, Mapping) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        yield from value["items"]
    else:
        yield value


def _is_of_others(value: object) -> bool:
    """Claims, secrets and the like, which people keep in the same file."""
    if not isinstance(value, Mapping):
        return False
    kind, version = value.get("kind"), value.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str) or version.startswith("kaito.sh/"):
        return False
    return nearest(kind, ["Workspace"]) is None


def _names(value: _Map) -> tuple[str | None, str]:
    metadata = value.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    namespace, name = found.get("namespace"), found.get("name")
    return namespace if isinstance(namespace, str) and namespace else None, name if isinstance(name, str) else ""
