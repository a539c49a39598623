"""A home gets what the examples need, once, and nothing of the user's is replaced."""

from pathlib import Path

from lorabus.shipped import CLAIM, TAUGHT, furnish


def test_a_new_home_has_the_tiny_model_and_the_taught_rows(tmp_path: Path) -> None:
    said: list[str] = []

    furnish(tmp_path, said.append, {})

    assert (tmp_path / "models" / "tiny" / "model.safetensors").is_file()
    assert (tmp_path / "volumes" / CLAIM / TAUGHT.name).read_bytes() == TAUGHT.read_bytes()
    assert len(said) == 2

    furnish(tmp_path, said.append, {})
    assert len(said) == 2


def test_what_is_there_stays(tmp_path: Path) -> None:
    mine = tmp_path / "models" / "tiny" / "config.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    furnish(tmp_path, lambda _: None, {})

    assert mine.read_text() == "mine"


def test_folders_of_the_users_are_left_alone(tmp_path: Path) -> None:
    furnish(tmp_path, lambda _: None, {"LORABUS_MODELS": "/models", "LORABUS_VOLUMES_DIR": "/volumes"})

    assert list(tmp_path.iterdir()) == []
