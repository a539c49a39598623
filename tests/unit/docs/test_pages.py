"""What stands on the pages holds: links lead somewhere, blocks say what they are, documents in them are valid."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from docs.reference.settings import CLASSES
from lorabus.cli.app import app
from schemas.admission import admit
from schemas.asyncapi import message_models
from schemas.bundles import Bundle
from schemas.documents import load_documents
from tests.unit.docs.pages import LANGUAGES, ROOT, Block, Link, anchors, blocks, links, pages

KEY = "training_config.yaml"
BLOCKS = [block for page in pages() for block in blocks(page)]
LINKS = [link for page in pages() for link in links(page)]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_there_is_something_to_check() -> None:
    assert len(LINKS) > 100
    assert all(of(language) for language in ("sh", "yaml", "json"))


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files_and_headings_that_are_there(page: str) -> None:
    broken = [str(link) for link in links(page) if not _leads_somewhere(link)]
    assert broken == []


def _leads_somewhere(link: Link) -> bool:
    if not link.target.is_relative_to(ROOT) or not link.target.exists():
        return False
    return not link.anchor or (link.target.suffix == ".md" and link.anchor in anchors(link.target))


def test_every_page_can_be_found_from_the_index() -> None:
    index = {link.target for link in links("docs/README.md")}
    missing = [page for page in pages() if page.startswith("docs/") and ROOT / page not in index]
    assert [page for page in missing if not page.startswith("docs/adr/") and page != "docs/README.md"] == []


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.language == "sh" or len(block.words) <= 1
    assert block.language != "sh" or set(block.words) <= {"not-here"}


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_a_workspace_is_one_that_validate_takes(block: Block, tmp_path: Path) -> None:
    documents = [document for document in yaml.safe_load_all(block.text) if document is not None]
    assert documents
    if any(document.get("kind") == "Workspace" for document in documents if isinstance(document, dict)):
        path = tmp_path / "workspace.yaml"
        path.write_text(block.text)
        answer = CliRunner().invoke(app, ["validate", str(path), "--json"])
        assert [json.loads(line)["problems"] for line in answer.stdout.splitlines()] == [[]]


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_training_settings_are_ones_that_a_job_may_have(block: Block) -> None:
    """A `training_config` alone, or a ConfigMap without its Workspace, is put into a Workspace and judged."""
    documents = load_documents(block.text, name=str(block))
    bundle = Bundle()
    bundle.add(documents)
    whole = documents[0].value
    alone = isinstance(whole, dict) and "training_config" in whole
    maps = [data for data in bundle.config_maps.values() if isinstance(data, dict) and KEY in data]
    for text in [block.text] if alone else [str(data[KEY]) for data in maps]:
        quantized = "load_in_4bit: true" in text or "load_in_8bit: true" in text
        verdict = admit(
            _workspace("qlora" if quantized else "lora"), config_maps={"config": {"training_config.yaml": text}}
        )
        assert verdict.problems == ()


def _workspace(method: str) -> dict[str, object]:
    claim = {"volumeSource": {"persistentVolumeClaim": {"claimName": "claim"}}}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "page"},
        "resource": {"instanceType": "any", "labelSelector": {"matchLabels": {"app": "page"}}},
        "tuning": {"preset": {"name": "tiny"}, "method": method, "config": "config", "input": claim, "output": claim},
    }


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_an_event_is_one_of_ours(block: Block) -> None:
    """A JSON block is one value or one a line; those with a `type` are events in the flat form of `--json`."""
    models = message_models()
    for value in _values(block.text):
        if isinstance(value, dict) and "jobId" in value:
            data = {name: field for name, field in value.items() if name not in ("type", "time")}
            model = models[value["type"]]
            known = {field.alias or name for name, field in model.model_fields.items()} | {"kaitoState"}
            model.model_validate(data)
            assert set(data) <= known


def _values(text: str) -> list[object]:
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_can_be_read(block: Block) -> None:
    ast.parse(block.text)


def test_every_variable_that_a_page_names_is_a_setting() -> None:
    """`…_USERNAME` after a whole name is short for the rest, and is not looked at."""
    known = {f"LORABUS_{name.upper()}" for kind in CLASSES.values() for name in kind.model_fields}
    known |= {"LORABUS_CACHE", "LORABUS_API_TOKEN"}
    named = {name for page in pages() for name in re.findall(r"LORABUS_[A-Z0-9_]*[A-Z0-9]", (ROOT / page).read_text())}
    assert named - known == set()
