"""Where `lorabus generate` looks for a base model: by the preset's name, then by the repository's."""

from pathlib import Path

import pytest

from lorabus.base_models import base_model
from lorabus.faults import BadInput
from services.common.base_models import place
from services.common.settings import Settings

PHI_4 = "microsoft/phi-4"


def settings(home: Path) -> Settings:
    return Settings(home=home, models=str(home / "models"))


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.mark.parametrize("name", ["phi-4", PHI_4])
def test_a_model_is_found_under_the_preset_s_name_and_under_its_own(tmp_path: Path, name: str) -> None:
    folder = model(Path(place(name, settings(tmp_path))))
    assert base_model(PHI_4, settings(tmp_path)).resolve() == folder.resolve()


def test_one_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"microsoft/phi-4 is not on this machine: put its files into .*/models/phi-4"):
        base_model(PHI_4, settings(tmp_path))


def test_what_is_no_model_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no base model that lorabus could know"):
        base_model("../../etc", settings(tmp_path))
