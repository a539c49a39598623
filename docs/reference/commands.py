"""`docs/reference/cli.md`, from the command itself."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from lorabus.cli.app import app

_HEAD = """# The `lorabus` command

Generated from the command by `python -m docs.generate`. `lorabus COMMAND --help` says the same.

With `--json` stdout holds one JSON object a line and nothing else; logs and words for people go to stderr. Exit codes:

| code | |
| ---: | --- |
| 0 | done |
| 1 | the job or the input is bad: failed, rejected, not valid, no such job |
| 2 | wrong usage, a setting that cannot be used, or a file that cannot be read |
| 3 | a server is not reachable; the message has its address |
| 4 | the job that was followed was cancelled |
| 130 | interrupted |
"""


def page() -> str:
    """The whole page."""
    commands = list(_leaves(get_command(app), "lorabus"))
    index = ["| command | does |", "| --- | --- |"]
    index += [f"| [`{name}`](#{name.replace(' ', '-')}) | {_summary(command)} |" for name, command in commands]
    return "\n".join([_HEAD, *index, "", *(_section(name, command) for name, command in commands)])


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        for word, child in command.commands.items():
            yield from _leaves(child, f"{name} {word}")
    else:
        yield name, command


def _summary(command: Any) -> str:
    return str(command.help).strip().replace("\n", " ")


def _section(name: str, command: Any) -> str:
    rows = [f"| `{_escaped(_names(one))}` | {_escaped(_cell(one))} |" for one in command.params if not _is_help(one)]
    table = ["| | |", "| --- | --- |", *rows, ""] if rows else []
    example = str(command.epilog).removeprefix("Example: ")
    return "\n".join(
        [f"## {name}", "", _summary(command), "", *table, "```sh not-here", example, "```", ""],
    )


def _names(parameter: Any) -> str:
    """`--state S`, `-o, --out DIR` or `FILE`."""
    if not parameter.opts[0].startswith("-"):
        return str(parameter.metavar or parameter.name)
    value = parameter.metavar or ("" if parameter.is_flag else "FILE")
    return f"{', '.join(parameter.opts)} {value}".strip()


def _cell(parameter: Any) -> str:
    words = str(parameter.help or "One of them.")
    if parameter.required:
        return f"{words} Required." if parameter.opts[0].startswith("-") else words
    return words if parameter.default in (None, False) else f"{words} Default: {_plain(parameter.default)}."


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_help(parameter: Any) -> bool:
    return "--help" in parameter.opts


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
