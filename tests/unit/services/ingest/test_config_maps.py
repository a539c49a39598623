"""ConfigMaps and Secrets from folders: what Kubernetes mounts is found, what a name could reach otherwise is not."""

from pathlib import Path

import pytest

from services.ingest.config_maps import MAX_BYTES, find_in
from services.ingest.secrets import exists_in

TRICKS = ["..", "../outside", "a/../../outside", "/etc", "", ".", "a\x00b", "A", "a" * 300, "-a", "..data", "a\n"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "training_config.yaml").write_text("stolen")
    (tmp_path / "outside" / ".dockerconfigjson").write_text("stolen")
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


def mount(folder: Path, name: str, key: str, text: str) -> None:
    """As the kubelet does it: the key is a link into a link to a dated folder."""
    (folder / name / "..2026_01_01").mkdir(parents=True)
    (folder / name / "..2026_01_01" / key).write_text(text)
    (folder / name / "..data").symlink_to("..2026_01_01")
    (folder / name / key).symlink_to(f"..data/{key}")


def test_a_mounted_config_map_is_found(folder: Path) -> None:
    mount(folder, "mine", "training_config.yaml", "training_config: {}")
    assert find_in(folder)("any", "mine").data == {"training_config.yaml": b"training_config: {}"}


def test_a_missing_one_says_where_it_was_looked_for(folder: Path) -> None:
    found = find_in(folder)("any", "mine")
    assert found.data is None
    assert "LORABUS_CONFIGMAPS_DIR" in found.looked_in
    assert str(folder) in found.looked_in


def test_a_config_map_without_the_key_is_there_and_empty(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert find_in(folder)("any", "empty").data == {}


@pytest.mark.parametrize("name", TRICKS)
def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    assert find_in(folder)("any", name).data is None
    assert not exists_in(folder)(name)


def test_a_huge_file_is_cut(folder: Path) -> None:
    mount(folder, "big", "training_config.yaml", "x" * (MAX_BYTES + 10))
    assert len((find_in(folder)("any", "big").data or {})["training_config.yaml"]) == MAX_BYTES


def test_a_secret_is_there_when_its_docker_config_is(folder: Path) -> None:
    mount(folder, "push", ".dockerconfigjson", "{}")
    (folder / "other").mkdir()
    exists = exists_in(folder)
    assert [exists(name) for name in ("push", "other", "absent")] == [True, False, False]
