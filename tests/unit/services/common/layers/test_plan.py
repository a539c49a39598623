"""The layer's bytes are pinned: a change of one of these digests breaks "same adapter, same digest" for everybody."""

import gzip
import hashlib
import io
import random
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from services.common.layers.plan import Content, Entry, StoredGzip, stored_gzip_size, tar_plan, tar_size
from services.common.layers.records import LayerRecord
from services.publisher.manifest import build_image

FILES = {
    "data/adapter_model.safetensors": random.Random(20261122).randbytes(200_001),
    "data/adapter_config.json": b'{"peft_type": "LORA"}',
}


def tar_of(files: dict[str, bytes]) -> bytes:
    entries = tuple(Entry(path, len(data)) for path, data in files.items())
    return b"".join(files[piece.entry.path] if isinstance(piece, Content) else piece for piece in tar_plan(entries))


def packed(data: bytes, cuts: int) -> bytes:
    framer = StoredGzip()
    parts = [b"".join(framer.add(data[start : start + cuts])) for start in range(0, len(data), cuts)]
    return b"".join([*parts, framer.end()])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_golden_digests() -> None:
    tar = tar_of(FILES)
    assert sha256(tar) == "786e24be3fca26d4560d6ae0f55f63eb18e07ddf5a523d7f1e01ea3e9676d324"
    assert sha256(packed(tar, 65_536)) == "1b401ec7cc0de4618ed3039990da26956b4340715ce1878b13e6f0a05d6b968f"
    layer = LayerRecord(
        digest=f"sha256:{sha256(packed(tar, 65_536))}",
        size=len(packed(tar, 65_536)),
        diff_id=f"sha256:{sha256(tar)}",
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
    )
    image = build_image([layer, layer], {"sh.kaito.model.name": "tiny"})
    assert image.digest == "sha256:615d666025be6b67e93f0356096a5b6772ff2f6364d554951092dcb8b2c54184"


def test_the_tar_is_what_tarfile_reads_and_does_not_depend_on_the_order_given() -> None:
    tar = tar_of(FILES)
    assert tar == tar_of(dict(reversed(FILES.items())))
    with tarfile.open(fileobj=io.BytesIO(tar)) as reader:
        members = reader.getmembers()
        assert [member.name for member in members] == [
            "data",
            "data/adapter_config.json",
            "data/adapter_model.safetensors",
        ]
        assert {(member.uid, member.gid, member.mtime, member.uname) for member in members} == {(0, 0, 0, "")}
        for name, data in FILES.items():
            file = reader.extractfile(name)
            assert file is not None
            assert file.read() == data


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=4))
def test_the_size_is_known_before_a_byte_is_read(sizes: list[int]) -> None:
    entries = tuple(Entry(f"data/{number}", size) for number, size in enumerate(sizes))
    length = sum(piece.entry.size if isinstance(piece, Content) else len(piece) for piece in tar_plan(entries))
    assert length == tar_size(entries)
    assert length % 10_240 == 0


@given(st.integers(0, 200_000), st.integers(1, 70_000))
def test_gzip_gives_the_bytes_back_and_hides_how_they_were_cut(length: int, cuts: int) -> None:
    data = random.Random(length).randbytes(length)
    member = packed(data, max(cuts, length // 50))
    assert len(member) == stored_gzip_size(length)
    assert gzip.decompress(member) == data
    assert member == packed(data, max(1, length))
