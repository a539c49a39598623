"""Reads fields out of a document that may hold anything, and says what is wrong with each."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.problems import Findings, did_you_mean, kind, shown

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_PLAIN_FILE_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,253}")


# A piece of the resolved spec, as `schemas.workspace` will read it. The classes there are made last, and only when
# somebody wants the spec: importing pydantic takes longer than judging a thousand Workspaces' syntax.
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """One map of the document. Null counts as absent, as it does in Kubernetes."""

    value: Mapping[object, object]
    path: str
    findings: Findings

    @classmethod
    def of(cls, value: object, path: str, findings: Findings, fields: Collection[str]) -> "Reader":
        """Refuses what is no map, and each field that is not one of `fields`."""
        if not isinstance(value, Mapping):
            findings.refuse(path, f"expected a map, not {kind(value)}")
            return cls({}, path, findings)
        reader = cls(value, path, findings)
        for key in value:
            if key not in fields and not findings.full:
                hint = did_you_mean(key, fields) or f"; known are {', '.join(sorted(fields))}"
                findings.refuse(reader.at(shown(key)), f"unknown field {shown(key)!r}{hint}")
        return reader

    def at(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field

    def refuse(self, field: str, message: str) -> None:
        self.findings.refuse(self.at(field), message)

    def get(self, field: str) -> object:
        return self.value.get(field)

    def child(self, field: str, fields: Collection[str]) -> "Reader | None":
        value = self.get(field)
        return None if value is None else Reader.of(value, self.at(field), self.findings, fields)

    def text(self, field: str) -> str:
        """Empty when it is absent or no text."""
        value = self.get(field)
        if value is None or isinstance(value, str):
            return value or ""
        self.refuse(field, f"expected text, not {kind(value)}; put it in quotes")
        return ""

    def texts(self, field: str) -> tuple[str, ...]:
        value = self.get(field)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.refuse(field, f"expected a list of texts, not {kind(value)}")
            return ()
        for index, item in enumerate(value):
            if self.findings.full:
                break
            if not isinstance(item, str):
                self.refuse(f"{field}[{index}]", f"expected text, not {kind(item)}; put it in quotes")
        return tuple(item if isinstance(item, str) else "" for item in value)

    def strings(self, field: str) -> dict[str, str]:
        """A map of texts, such as labels and annotations."""
        value = self.get(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.refuse(field, f"expected a map of texts, not {kind(value)}")
            return {}
        for key, item in value.items():
            if self.findings.full:
                break
            if not isinstance(key, str) or not isinstance(item, str):
                self.refuse(f"{field}[{shown(key)}]", "key and value must be text; put them in quotes")
        return {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, str)}


def is_subdomain(text: str) -> bool:
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_plain_file_name(text: str) -> bool:
    """Whether it can be looked up as a folder without leaving the folder around it."""
    return _PLAIN_FILE_NAME.fullmatch(text) is not None
