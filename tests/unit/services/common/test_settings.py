"""Settings come from `LORABUS_*`, and everything local lies below the home."""

from pathlib import Path

import pytest

from services.common.settings import Settings


def test_the_defaults_lie_below_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORABUS_HOME", str(tmp_path))
    settings = Settings()
    assert settings.store == f"file://{tmp_path}/store"
    assert settings.models == f"{tmp_path}/models"
    assert settings.secrets_dir == tmp_path / "secrets"
    assert settings.volumes_dir == tmp_path / "volumes"


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORABUS_INSECURE_REGISTRIES", "127.0.0.1:5000, registry:80")
    monkeypatch.setenv("LORABUS_HOST_PATHS", "/data,/mnt")
    settings = Settings()
    assert settings.insecure_registries == ("127.0.0.1:5000", "registry:80")
    assert settings.host_paths == (Path("/data"), Path("/mnt"))


def test_a_secret_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY", "in-the-open")
    assert "in-the-open" not in repr(Settings())
    assert Settings().s3_secret() == "in-the-open"
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY_FILE", str(file))
    assert Settings().s3_secret() == "from-file"
