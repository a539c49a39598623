"""Layers that strangers made: what is taken out of them, and what is refused."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from services.common.registry.descriptors import (
    Manifest,
    sha256_of,
)
from services.common.registry.download import download_files
from services.common.registry.errors import RegistryRefused
from services.common.registry.unpack import BadLayerError, Limits, unpack
from tests.component.services.common.registry.client import descriptor, repository
from tests.component.services.common.registry.fake_registry import FakeRegistry, running


def layer_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


async def taken(registry: FakeRegistry, out: Path, *layers: bytes, limits: Limits | None = None) -> list[str]:
    config = b"{}"
    registry.blobs |= {sha256_of(blob): blob for blob in (*layers, config)}
    manifest = Manifest(config=descriptor(config), layers=tuple(descriptor(layer) for layer in layers))
    out.mkdir(exist_ok=True)
    async with repository(registry) as remote:
        return await download_files(remote, manifest, out, lambda path: path.startswith("data/"), limits)


async def test_files_of_all_layers_with_whiteouts(tmp_path: Path) -> None:
    first = layer_of((tarfile.TarInfo("./data/a.csv"), b"old"), (tarfile.TarInfo("data/b.csv"), b"b"))
    second = layer_of(
        (tarfile.TarInfo("/data/a.csv"), b"new"),
        (tarfile.TarInfo("data/.wh.b.csv"), b""),
        (tarfile.TarInfo("etc/x"), b""),
    )
    async with running(FakeRegistry()) as registry:
        assert await taken(registry, tmp_path / "out", first, second) == ["data/a.csv"]
    assert (tmp_path / "out" / "data" / "a.csv").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", [".wh...", "data/.wh...", "data/.wh..", ".wh."])
def test_a_whiteout_removes_nothing_around_its_folder(name: str, tmp_path: Path) -> None:
    """`.wh...` names the folder above: a pull into a home would have emptied the home."""
    mine, layer, out = tmp_path / "mine.txt", tmp_path / "layer", tmp_path / "out"
    mine.write_text("kept")
    (out / "data").mkdir(parents=True)
    layer.write_bytes(layer_of((tarfile.TarInfo(name), b"")))
    with pytest.raises(BadLayerError, match="outside"):
        unpack(layer, "tar", out, lambda _: True, Limits())
    assert mine.read_text() == "kept"


@pytest.mark.parametrize(
    "layer",
    [
        layer_of((tarfile.TarInfo("data/../../evil"), b"x")),
        layer_of((link("data/a", "/etc/passwd"), b"")),
        layer_of((link("data", "/tmp"), b""), (tarfile.TarInfo("data/a/../../evil"), b"x")),
        b"no tar at all",
        gzip.compress(b"no tar at all"),
        layer_of((tarfile.TarInfo("data/a"), b"x" * 5000))[:-20],
    ],
    ids=["name outside", "link outside", "through a link", "plain text", "compressed text", "cut short"],
)
async def test_layers_that_mean_harm_or_are_broken(tmp_path: Path, layer: bytes) -> None:
    async with running(FakeRegistry()) as registry:
        with pytest.raises(RegistryRefused):
            await taken(registry, tmp_path / "out", layer)
    assert not (tmp_path / "evil").exists()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


async def test_a_small_layer_that_unpacks_to_much_is_stopped(tmp_path: Path) -> None:
    bomb = layer_of((tarfile.TarInfo("data/zeros"), bytes(20_000_000)))
    async with running(FakeRegistry()) as registry:
        with pytest.raises(RegistryRefused, match="unpacks to more"):
            await taken(registry, tmp_path / "out", bomb, limits=Limits(bytes=1_000_000))
