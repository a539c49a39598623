"""The generated documents under `docs/`: they are what the tables say, complete, and their references resolve."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas import generate
from schemas.asyncapi import asyncapi, message_models
from schemas.topics import TOPICS, full_type


def test_docs_are_what_the_tables_say() -> None:
    assert generate.drift(generate.DOCS) == [], "run `python -m schemas.generate`"


def test_drift_names_what_is_missing_different_or_left_over(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.drift(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas" / "lorabus.job.cancel.v1.json").unlink()
    (tmp_path / "schemas" / "lorabus.gone.v1.json").write_text("{}")
    wrong = {"asyncapi.json", "schemas/lorabus.job.cancel.v1.json", "schemas/lorabus.gone.v1.json"}
    assert set(generate.drift(tmp_path)) == wrong
    generate.write(tmp_path)
    assert generate.drift(tmp_path) == []


def test_the_command_checks_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_every_topic_and_every_type_is_in_the_document() -> None:
    document: Any = asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in TOPICS}
    names = {message["name"] for message in document["components"]["messages"].values()}
    assert names == {full_type(short) for short in message_models()}


def test_every_reference_resolves() -> None:
    document = json.loads(json.dumps(asyncapi()))

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for item in value.values() for found in references(item)]
        return [found for item in value for found in references(item)] if isinstance(value, list) else []

    for reference in references(document):
        here: Any = document
        for part in reference.removeprefix("#/").split("/"):
            here = here[part]
        assert here
