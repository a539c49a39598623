"""`lorabus validate`: judges the Workspaces in files, offline, with the code that ingest runs."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from schemas.admission import ConfigMapLookup, admit
from schemas.admission.coerce import FALSE
from schemas.bundles import Bundle, bundle_of, identity_of
from schemas.document_limits import MAX_BYTES
from schemas.documents import DocumentError, load_documents
from schemas.problems import Problem, shown
from schemas.source_urls import parse_allow

VALID, INVALID, UNREADABLE = 0, 1, 2
_KEY = "training_config.yaml"


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one Workspace, or of a file in which there is none to be had."""

    file: str
    name: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> str:
        problems = [problem.as_dict() for problem in self.problems]
        fields = {"file": self.file, "name": self.name, "valid": not problems, "problems": problems}
        return json.dumps(fields | {"warnings": list(self.warnings)})


@dataclass(slots=True)
class _Input:
    """What could be read: the bundle of all files, each Workspace's file and its own bundle, and what went wrong."""

    bundle: Bundle = field(default_factory=Bundle)
    files: list[tuple[str, Bundle]] = field(default_factory=list)
    broken: list[Line] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def validate(files: list[Path], as_json: bool, existing: Path | None) -> int:  # The command line's shape.
    """Prints one line for each Workspace. 0: all are valid, 1: some are not, 2: a file cannot be read."""
    given = _read(files)
    before = _read([existing] if existing else [])
    standing = {identity_of(workspace): workspace for workspace in before.bundle.workspaces}
    if existing and not standing and not before.unreadable:
        problem = before.broken[0].problems[0].message if before.broken else "it holds no Workspace"
        before.unreadable.append(f"cannot use --existing {existing}: {problem}")
    for message in (*given.unreadable, *before.unreadable):
        print(f"lorabus: {message}", file=sys.stderr)
    if before.unreadable:
        return UNREADABLE
    lines = [*given.broken, *_judge(given, standing)]
    if not lines and not given.unreadable:
        message = "no Workspace in these files; one has apiVersion kaito.sh/v1beta1 and kind Workspace"
        lines.append(Line(str(files[0]) if files else "", "", (Problem("", message),)))
    _print(lines, as_json=as_json, out=sys.stdout)
    if given.unreadable:
        return UNREADABLE
    return INVALID if any(line.problems for line in lines) else VALID


def validate_quickly(arguments: Sequence[str]) -> int | None:
    """`validate` for plain arguments, without the quarter of a second that importing a command line library costs.

    None for anything else, help and mistakes above all, which the command line library explains.
    """
    files: list[Path] = []
    existing: Path | None = None
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == "--existing":
            value = value if equals else next(rest, "-")
            if value.startswith("-"):
                return None
            existing = Path(value)
        elif argument.startswith("-") and argument != "--json":
            return None
        elif argument != "--json":
            files.append(Path(argument))
    return validate(files, "--json" in arguments, existing) if files else None


def _read(files: Iterable[Path]) -> _Input:
    given = _Input()
    for path in files:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            given.unreadable.append(f"cannot read {path}: {error.strerror}")
            continue
        try:
            documents = load_documents(content, name=path.name)
            own = bundle_of(documents, name=path.name)
        except DocumentError as error:
            message = f"line {error.line}, column {error.column}: {error.message}"
            given.broken.append(Line(str(path), "", (Problem("", message),)))
            continue
        given.bundle.add(documents)
        given.files += [(str(path), own)] * len(own.workspaces)
    return given


def _judge(given: _Input, standing: Mapping[tuple[str, str], object]) -> Iterator[Line]:
    allow = parse_allow(os.environ.get("LORABUS_SOURCE_ALLOW", ""))
    provisioning = os.environ.get("LORABUS_NODE_AUTO_PROVISIONING", "true").lower() not in FALSE
    for (file, own), workspace in zip(given.files, given.bundle.workspaces, strict=True):
        old = _standing(workspace, standing)
        verdict = admit(
            workspace,
            # As `lorabus submit` takes it: a file's own ConfigMap before one of the same name in another file.
            config_maps=given.bundle.config_maps_for(workspace) | own.config_maps_for(workspace),
            find_config_map=find_config_map,
            existing=old if isinstance(old, Mapping) else None,
            node_auto_provisioning=provisioning,
            source_allow=allow,
        )
        yield Line(file, verdict.name, verdict.problems, verdict.warnings)


def _standing(workspace: object, standing: Mapping[tuple[str, str], object]) -> object:
    """The one of the same name; a single one is meant for whatever is checked."""
    if len(standing) == 1:
        return next(iter(standing.values()))
    return standing.get(identity_of(workspace))


def find_config_map(namespace: str, name: str) -> ConfigMapLookup:  # noqa: ARG001  # Folders know no namespaces.
    """`<name>/training_config.yaml` below LORABUS_CONFIGMAPS_DIR; `name` is known to be a plain file name."""
    home = os.environ.get("LORABUS_HOME", ".lorabus")
    folder = Path(os.environ.get("LORABUS_CONFIGMAPS_DIR") or Path(home, "configmaps")) / name
    looked_in = f"the folder {folder} (LORABUS_CONFIGMAPS_DIR)"
    try:
        with (folder / _KEY).open("rb") as file:
            return ConfigMapLookup({_KEY: file.read(MAX_BYTES)}, looked_in)
    except FileNotFoundError:
        return ConfigMapLookup({} if folder.is_dir() else None, looked_in)
    except OSError as error:
        return ConfigMapLookup(None, f"{looked_in}, which cannot be read: {error.strerror}")


def _print(lines: list[Line], *, as_json: bool, out: TextIO) -> None:
    if as_json:
        out.writelines(f"{line.as_json()}\n" for line in lines)
    elif out.isatty():
        _print_coloured(lines)
    else:
        for line in lines:
            out.writelines(f"{text}\n" for text in _plain(line))


def _plain(line: Line) -> Iterator[str]:
    yield f"{shown(line.file, 4096)}: {shown(line.name) or 'Workspace'}: {'not valid' if line.problems else 'valid'}"
    for problem in line.problems:
        yield f"  {problem.path}: {problem.message}" if problem.path else f"  {problem.message}"
    for warning in line.warnings:
        yield f"  warning: {warning}"


def _print_coloured(lines: list[Line]) -> None:
    from rich.console import Console  # noqa: PLC0415  # rich costs a tenth of a second, which a pipe need not pay.
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    for line in lines:
        mark = Text("✗ not valid", "bold red") if line.problems else Text("✓ valid", "bold green")
        console.print(mark, Text(shown(line.name) or "Workspace", "bold"), Text(shown(line.file, 4096), "dim"))
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
        for problem in line.problems:
            table.add_row(Text(problem.path, "red"), Text(problem.message))
        for warning in line.warnings:
            table.add_row(Text("warning", "yellow"), Text(warning))
        if table.row_count:
            console.print(table)
