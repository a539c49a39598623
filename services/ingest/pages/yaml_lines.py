"""On which line of a YAML file a field stands, for people who look for a problem. Pure."""

import re
from collections.abc import Iterable, Iterator

import yaml

CONFIG = ("tuning", "config")
_PART = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


def line_of(text: str, workspace: int, path: str) -> int | None:
    """Give the line (from 1) of the deepest part of `path` that is there, in the Workspace of that number (from 0).

    What is wrong inside the ConfigMap that the Workspace names is found in that document, if it stands in the text too.
    The text must have passed `schemas.documents`, whose limits it relies on.
    """
    documents = _documents(text)
    roots = [root for root in documents if not _is_config_map(root)]
    if workspace >= len(roots):
        return None
    root, parts = roots[workspace], list(_parts(path))
    block = _config_of(root, documents) if [part.lower() for part in parts[:2]] == list(CONFIG) else None
    if block is not None and len(parts) > len(CONFIG):
        for inner in _documents(block.value):
            # The text of a block begins on the line after its sign.
            return block.start_mark.line + 1 + _deepest(inner, parts[len(CONFIG) :]) + 1
    return _deepest(root, parts) + 1


def _documents(text: str) -> list[yaml.Node]:
    try:
        return [root for root in yaml.compose_all(text, yaml.SafeLoader) if root is not None]
    except yaml.YAMLError:
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
