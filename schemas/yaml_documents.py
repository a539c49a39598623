"""YAML that nobody vouches for, built from the parser's events rather than by a loader.

It is YAML 1.1, as in KAITO's parsers: `yes` is a boolean and 010 is eight. Dates and base-60 numbers stay text, as they
do on the way through Kubernetes. Only plain data is made, whatever a tag asks for.
"""

from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from schemas.document_limits import (
    MAX_COST,
    Budget,
    Document,
    DocumentError,
    check_depth,
    check_text,
    cost_of,
    position,
)
from schemas.yaml_scalars import MERGE, scalar

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTAINER_TAGS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


class _Missing:
    """Stands where a mapping waits for its next key."""


_MISSING = _Missing()


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come yet. `height` is the depth of the deepest thing inside."""

    value: dict[object, object] | list[object]
    anchor: str | None
    budget_before: int
    key: object = _MISSING
    merged: list[object] = field(default_factory=list)
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: object
    cost: int
    height: int


def load_yaml(text: str, *, name: str, max_cost: int = MAX_COST) -> list[Document]:
    builder = _Builder(Budget(max_cost))
    event: Event | None = None
    line = 1
    documents: list[Document] = []
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.take(event)
            if isinstance(event, DocumentStartEvent):
                line, _ = _place(event)
            elif isinstance(event, DocumentEndEvent):
                documents.append(Document(builder.root, len(documents), line))
                builder = _Builder(builder.budget)
    except yaml.reader.ReaderError as error:
        # libyaml counts bytes.
        line, column = position(text, len(text.encode()[: error.position].decode(errors="ignore")))
        raise DocumentError(str(error.reason), name=name, line=line, column=column) from None
    except yaml.MarkedYAMLError as error:
        raise _marked(error, name) from None
    except ValueError as error:
        line, column = _place(event)
        raise DocumentError(str(error), name=name, line=line, column=column) from None
    return documents


def _place(event: Event | None) -> tuple[int, int]:
    """Line and column from 1."""
    mark = event.start_mark if event else None
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _marked(error: yaml.MarkedYAMLError, name: str) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    message = " ".join(part for part in (error.context, error.problem) if part)
    return DocumentError(
        f"yaml: {message}", name=name, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1
    )


class _Builder:
    """Makes one document's value. It raises ValueError; the caller knows where the event stood."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.root: object = None
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._start(event, {})
        elif isinstance(event, SequenceStartEvent):
            self._start(event, [])
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()
        elif isinstance(event, AliasEvent):
            self._alias(event)

    def _scalar(self, event: ScalarEvent) -> None:
        text = event.value
        cost = cost_of(text)
        self.budget.spend(cost)
        check_text(text)
        value = scalar(text, event.tag, plain=event.implicit[0])
        if value is MERGE and not self._awaits_key():
            value = text
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, cost, 0)
        self._place(value, 0)

    def _start(self, event: MappingStartEvent | SequenceStartEvent, value: dict[object, object] | list[object]) -> None:
        if event.tag not in _CONTAINER_TAGS:
            raise ValueError(f"the tag {str(event.tag)[:80]!r} is not taken; only plain data is")
        if self._awaits_key():
            raise ValueError("a key must be text, a number, true, false or null")
        self._open.append(_Open(value, event.anchor, self.budget.left))
        check_depth(len(self._open))
        self.budget.spend(1)

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is _MISSING

    def _end(self) -> None:
        done = self._open.pop()
        if isinstance(done.value, dict):
            for source in done.merged:
                _merge(done.value, source)
        if done.anchor:
            cost = done.budget_before - self.budget.left
            self._anchors[done.anchor] = _Anchored(done.value, cost, done.height)
        self._place(done.value, done.height)

    def _alias(self, event: AliasEvent) -> None:
        anchor = str(event.anchor)
        target = self._anchors.get(anchor)
        if target is None:
            raise ValueError(f"the alias *{anchor[:80]} names no anchor that is complete before it")
        check_depth(len(self._open) + target.height)
        self.budget.spend(target.cost)
        self._place(target.value, target.height)

    def _place(self, value: object, height: int) -> None:
        """Puts a finished value where it belongs: into the innermost open list or map, or as the document."""
        if not self._open:
            self.root = value
            return
        into = self._open[-1]
        into.height = max(into.height, height + 1)
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.key is _MISSING:
            into.key = _new_key(into, value)
        else:
            if into.key is MERGE:
                into.merged += value if isinstance(value, list) else [value]
            else:
                into.value[into.key] = value
            into.key = _MISSING


def _new_key(into: _Open, key: object) -> object:
    if isinstance(key, dict | list):
        raise ValueError("a key must be text, a number, true, false or null")  # noqa: TRY004  # One kind for all.
    if key in into.value or (key is MERGE and into.merged):
        raise ValueError(f"the key {str(key)[:80]!r} stands twice")
    return key


def _merge(into: dict[object, object], source: object) -> None:
    """`<<`: what the map has itself wins, then the earlier of several sources."""
    if not isinstance(source, dict):
        raise ValueError("<< must name a map or a list of maps")  # noqa: TRY004  # One kind for all.
    for key, value in source.items():
        into.setdefault(key, value)
