"""Commands that no test can run here (Docker, Kubernetes, servers of others) name only what exists."""

import pytest

from tests.unit.docs.pages import Block, blocks, commands, pages
from tests.unit.docs.spoken import faults

NOT_HERE = [block for page in pages() for block in blocks(page) if block.language == "sh" and not block.runs]


@pytest.mark.parametrize("block", NOT_HERE, ids=str)
def test_each_names_programs_commands_and_options_that_exist(block: Block) -> None:
    assert [fault for command in commands(block.text) for fault in faults(command)] == []


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("lorabus fly", "lorabus has no command fly"),
        ("A=1 lorabus jobs --colour", "lorabus jobs has no option --colour"),
        ("make dinner", "make has no dinner"),
        ("python -m bench.gold", "there is no"),
        ("python -m bench.settings --gold", "has no option --gold"),
        ("docker compose dance -f x.yaml", "is not among the commands"),
        ("kubectl -n lorabus apply --now", "was not looked up"),
        ("sudo rm -rf /", "sudo is no program"),
        ("lorabus jobs && lorabus fly", "lorabus has no command fly"),
    ],
)
def test_what_does_not_exist_is_found(command: str, fault: str) -> None:
    (found,) = faults(command)
    assert fault in found


@pytest.mark.parametrize(
    "command",
    [
        "lorabus up --profile stack --detach",
        "lorabus topics apply --json",
        "LORABUS_KAFKA=127.0.0.1:9092 lorabus submit my-workspace.yaml --wait",
        "docker compose -f deploy/compose.yaml up --build --wait",
        "make test",
    ],
)
def test_what_exists_is_taken(command: str) -> None:
    assert faults(command) == []
