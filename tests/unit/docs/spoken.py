"""Command lines as the pages write them, judged without running them: does each program, command and option exist?

lorabus is asked itself; of tools that belong to Docker, Kubernetes and the like, a table holds what the pages use, each
entry looked up in the tool's own reference.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from typer.core import TyperGroup
from typer.main import get_command

from lorabus.cli.app import app
from tests.unit.docs.pages import ROOT

_ASSIGNMENT = re.compile(r"^[A-Z_][A-Z0-9_]*=")
_BETWEEN = re.compile(r"^(&&|\|\||\||;)$")
Words = Sequence[str]

KNOWN: Mapping[str, Mapping[str, set[str]]] = {
    "docker": {
        "compose up": {"-f", "--build", "--wait", "-d", "--scale", "--no-deps"},
        "compose down": {"-f", "--volumes"},
        "compose logs": {"-f", "--follow", "--since"},
        "compose ps": {"-f"},
        "compose exec": {"-f", "-T"},
        "build": {"-f", "-t"},
    },
    "kubectl": {
        "apply": {"-n", "-f"},
        "create namespace": set(),
        "create secret": {"-n", "--from-file", "--type"},
        "create configmap": {"-n", "--from-file"},
        "rollout status": {"-n"},
        "rollout restart": {"-n"},
        "rollout undo": {"-n"},
        "scale": {"-n", "--replicas"},
        "set image": {"-n"},
        "logs": {"-n", "-f", "--since"},
        "get": {"-n", "-o", "-w"},
        "describe": {"-n"},
        "port-forward": {"-n"},
    },
    "cosign": {
        "generate-key-pair": set(),
        "verify": {"--key", "--insecure-ignore-tlog"},
        "verify-attestation": {"--key", "--insecure-ignore-tlog", "--type"},
    },
    "mc": {"mirror": {"--overwrite", "--remove"}, "ilm rule add": {"--expire-days", "--prefix"}},
    "kafka-topics.sh": {"": {"--bootstrap-server", "--describe", "--topic", "--alter", "--partitions"}},
    "kafka-consumer-groups.sh": {"": {"--bootstrap-server", "--describe", "--group", "--all-groups"}},
    "openssl": {"rand": {"-hex"}},
    "git": {"clone": set(), "pull": set()},
}
_SHELL = {"export", "cd", "cp", "mkdir", "cat", "curl", "rm", "tar", "echo"}


def faults(command: str) -> list[str]:
    """What is wrong with one line of commands."""
    found, part = [], list[str]()
    for word in [*shlex.split(command, comments=True), ";"]:
        if not _BETWEEN.match(word):
            part.append(word)
            continue
        while part and _ASSIGNMENT.match(part[0]):
            part.pop(0)
        found += _judge(part) if part else []
        part = []
    return found


def _judge(words: Words) -> list[str]:
    program = words[0].rpartition("/")[2]
    match program:
        case "lorabus":
            return lorabus_faults(words[1:])
        case "make":
            return _make(words[1:])
        case "python":
            return _python(words[1:])
        case _ if program in KNOWN:
            return _table(KNOWN[program], words)
        case _ if program in _SHELL or program == ".":
            return []
    return [f"{program} is no program that the pages may use"]


def lorabus_faults(words: Words) -> list[str]:
    """Walk the command tree of the installed command."""
    command = get_command(app)
    rest = list(words)
    while isinstance(command, TyperGroup) and rest:
        if rest[0] not in command.commands:
            return [] if rest[0] in ("-h", "--help") else [f"lorabus has no command {rest[0]}"]
        command = command.commands[rest.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    return [f"lorabus {command.name} has no option {word}" for word in _options(rest) if word not in known]


def _make(words: Words) -> list[str]:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [f"make has no {word}" for word in words if "=" not in word and word not in targets]


def _python(words: Words) -> list[str]:
    """Only scripts of ours; an option must stand in the script's text."""
    if words[0] == "-c":
        return []
    name, rest = (words[1], words[2:]) if words[0] == "-m" else (words[0], words[1:])
    path = ROOT / (name if name.endswith(".py") else f"{name.replace('.', '/')}.py")
    if not path.is_file():
        return [f"there is no {path}"]
    text = path.read_text()
    return [f"{path} has no option {word}" for word in _options(rest) if f'"{word}"' not in text]


def _table(known: Mapping[str, set[str]], words: Words) -> list[str]:
    plain = _without_options(words[1:], {name for options in known.values() for name in options})
    name = max((name for name in known if plain[: len(name.split())] == name.split()), key=len, default=None)
    if name is None:
        return [f"{' '.join(words[:3])} is not among the commands that were looked up"]
    return [f"{words[0]} {name} {word} was not looked up" for word in _options(words[1:]) if word not in known[name]]


def _without_options(words: Words, known: set[str]) -> list[str]:
    """The words that are neither options nor, as in `-f FILE`, their values."""
    values = {"-f", "-n", "-t", "-o", "--scale", "--topic", "--group", "--bootstrap-server"} & known
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = not skip and word in values
            continue
        kept.append(word)
    return kept


def _options(words: Words) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match(r"^-{1,2}[A-Za-z]", word)]
