"""On which line of a YAML file a field stands, for people who look for a problem. Pure."""

import re
from collections.abc import Iterable, Iterator

import yaml

from schemas.document_limits import DocumentError
from schemas.yaml_documents import load_yaml

CONFIG = ("tuning", "config")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PART = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


class Lines:
    """The lines of one text, which is read once: a text of a megabyte may have thousands of problems."""

    def __init__(self, text: str) -> None:
        """A text that breaks the limits of `schemas.documents` has no lines."""
        self.texts = text.splitlines()
        self._documents = _documents(text)
        self._roots = [root for root in self._documents if not _is_config_map(root)]
        self._inner: dict[int, list[yaml.Node]] = {}

    def of(self, workspace: int, path: str) -> int | None:
        """Give the line (from 1) of the deepest part of `path` that is there, in the Workspace of that number (from 0).

        What is wrong inside the ConfigMap that the Workspace names is found in that document, if it stands in the text.
        """
        if workspace >= len(self._roots):
            return None
        root, parts = self._roots[workspace], list(_parts(path))
        inside = len(parts) > len(CONFIG) and [part.lower() for part in parts[:2]] == list(CONFIG)
        block = _config_of(root, self._documents) if inside else None
        if block is not None:
            if id(block) not in self._inner:
                self._inner[id(block)] = _documents(block.value)
            for inner in self._inner[id(block)]:
                # The text of a block begins on the line after its sign.
                return block.start_mark.line + 1 + _deepest(inner, parts[len(CONFIG) :]) + 1
        return _deepest(root, parts) + 1


def _documents(text: str) -> list[yaml.Node]:
    try:
        load_yaml(text, name="text")  # What it refuses would take the composer's stack or time.
        return [root for root in yaml.compose_all(text, _LOADER) if root is not None]
    except (DocumentError, yaml.YAMLError):
        return []


def _deepest(root: yaml.Node, parts: Iterable[str]) -> int:
    node, line = root, root.start_mark.line
    for part in parts:
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return int(line)


def _config_of(workspace: yaml.Node, documents: Iterable[yaml.Node]) -> yaml.ScalarNode | None:
    """The block of text that holds the settings, in the ConfigMap that the Workspace names."""
    name = _at(workspace, *CONFIG)
    for root in documents:
        if name is not None and _is_config_map(root) and _value(_at(root, "metadata", "name")) == name.value:
            block = _at(root, "data", "training_config.yaml")
            return block if isinstance(block, yaml.ScalarNode) and block.style == "|" else None
    return None


def _at(node: yaml.Node, *parts: str) -> yaml.Node | None:
    for part in parts:
        found = _child(node, part)
        if found is None:
            return None
        node, _ = found
    return node


def _value(node: yaml.Node | None) -> object:
    return None if node is None else node.value


def _is_config_map(root: yaml.Node) -> bool:
    kind = _child(root, "kind")
    return kind is not None and kind[0].value == "ConfigMap"


def _parts(path: str) -> Iterator[str]:
    return (name or index for name, index in _PART.findall(path))


def _child(node: yaml.Node, part: str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        pairs = ((key.value, value, key.start_mark.line) for key, value in node.value)
        return next(((value, line) for name, value, line in pairs if str(name).lower() == part.lower()), None)
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        item = node.value[int(part)]
        return item, item.start_mark.line
    return None
