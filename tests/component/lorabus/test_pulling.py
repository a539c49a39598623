"""What `lorabus pull` and `generate` say of a target that is nowhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lorabus.faults import BadInput
from lorabus.pulling import pull
from lorabus.settings import CallerSettings
from services.common.registry.errors import RegistryRefused


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("adaptr", r"^no folder and no job here is called 'adaptr'; taken for an image: registry docker\.io: nobody"),
        ("team/adapter", r"^registry docker\.io: nobody knows it$"),
    ],
)
async def test_a_word_alone_may_be_a_folder_that_was_misspelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, words: str
) -> None:
    @asynccontextmanager
    async def refuse(*_: object, **__: object) -> AsyncIterator[None]:
        raise RegistryRefused("docker.io", "nobody knows it")
        yield

    monkeypatch.setattr("lorabus.pulling.open_repository", refuse)
    with pytest.raises(BadInput, match=words):
        await pull(target, tmp_path / "out", CallerSettings(home=tmp_path))
