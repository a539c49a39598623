"""Volumes: Kubernetes knows thirty kinds, lorabus the two that can be a folder of its own."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from schemas.admission.reading import Part, Reader, is_plain_file_name
from schemas.problems import Findings, shown

_KINDS = {"persistentVolumeClaim", "hostPath"}
_MAX_PATH = 4096


def read_volume(value: object, path: str, findings: Findings) -> Part | None:
    """None when something is wrong with it, which then stands in `findings`."""
    before = len(findings.problems)
    kinds = {key for key, content in value.items() if content is not None} if isinstance(value, Mapping) else set()
    reader = Reader.of(value, path, findings, _KINDS)
    if len(findings.problems) > before:
        return None
    if len(kinds) != 1:
        findings.refuse(path, "expected exactly one of persistentVolumeClaim and hostPath")
        return None
    if "hostPath" in kinds:
        return _host_path(reader)
    return _claim(reader)


def _claim(reader: Reader) -> Part | None:
    claim = reader.child("persistentVolumeClaim", {"claimName", "readOnly"})
    name = claim.text("claimName") if claim else ""
    if claim and not is_plain_file_name(name):
        claim.refuse("claimName", f"invalid value: {shown(name)!r} is not the name of a claim")
        return None
    return {"claim_name": name, "read_only": claim is not None and claim.get("readOnly") is True}


def _host_path(reader: Reader) -> Part | None:
    host = reader.child("hostPath", {"path", "type"})
    text = host.text("path") if host else ""
    path = PurePosixPath(text)
    if host and (not path.is_absolute() or ".." in path.parts or len(text) > _MAX_PATH):
        host.refuse("path", f"invalid value: {shown(text)!r} must be an absolute path without '..'")
        return None
    return {"host_path": "/" + str(path).lstrip("/")}
