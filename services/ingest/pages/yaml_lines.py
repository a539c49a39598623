"""On which line of a YAML file a field stands, for people who look for a problem. Pure."""

import re
from collections.abc import Iterator

import yaml

_PART = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


def line_of(text: str, workspace: int, path: str) -> int | None:
    """Give the line (from 1) of the deepest part of `path` that is there, in the Workspace of that number (from 0).

    The text must have passed `schemas.documents`, whose limits it relies on.
    """
    try:
        roots = [
            root for root in yaml.compose_all(text, yaml.SafeLoader) if root is not None and not _is_config_map(root)
        ]
    except yaml.YAMLError:
        return None
    if workspace >= len(roots):
        return None
    node: yaml.Node = roots[workspace]
    line = node.start_mark.line
    for part in _parts(path):
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return int(line) + 1


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
