"""Publishing a 200 MB adapter to a registry on this machine: lorabus beside KAITO's way, oras and crane.

    python -m bench.publishing [--megabytes 200] [--rounds 3]
    python -m bench.publishing --memory [--mib 4096]        memory of a large push alone

Each way starts with the same two files (lorabus: in its store, which is a folder) and ends with a tag that can be
pulled from the same registry (distribution, started here). Every round has weights of its own, so that no blob is there
already; "again" publishes the round's adapter once more. The trainer puts files into the store by the code that it
always runs, which describes the image's layer meanwhile; "undescribed" is without that description. Weights are normal
noise in float32, as PEFT saves them.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from bench import publishing_memory
from deploy.native.go_tools import tool
from deploy.native.stack import REGISTRY, Supervisor
from schemas import store_keys
from schemas.records import SpecRecord
from services.common.layers.plan import Compression, Entry, StoredFile
from services.common.registry.descriptors import CONFIG, LAYER_GZIP
from services.publisher.sources import LayerSource
from services.trainer.hand_over import store_adapter
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import forget_the_end, to_image, trained_job, write_secret

Way = Callable[[], Awaitable[None]]
OURS, UNDESCRIBED, AGAIN = "lorabus publishes", "lorabus, undescribed", "lorabus, again"
HAND_OVER, KAITO = "(the trainer stores and describes)", "KAITO's way: tar, gzip -9, oras push"
ORAS, CRANE = "oras push of packed bytes", "crane append of a packed tar"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure the memory of one large push instead")
    parser.add_argument("--mib", type=int, default=4096)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as folder:
        if chosen.memory:
            print(asyncio.run(publishing_memory.measure(Path(folder), chosen.mib)))
            return
        supervisor = Supervisor(Path(folder) / "native", say=lambda line: print(f"# {line}"), usual_ports=False)
        try:
            address = supervisor.up([REGISTRY])["registry"].address
            times: dict[str, list[float]] = {}
            for number in range(chosen.rounds):
                round_ = asyncio.run(make_round(Path(folder) / f"round-{number}", address, chosen.megabytes, number))
                asyncio.run(run_round(round_, times, number))
                shutil.rmtree(round_.folder)
            report(times, chosen.megabytes)
            asyncio.run(framings(Path(folder) / "framings", chosen.megabytes))
        finally:
            supervisor.down()


@dataclass(frozen=True)
class Round:
    """One adapter, in our store and as the other tools want it."""

    folder: Path
    bench: Bench
    described: SpecRecord
    undescribed: SpecRecord
    address: str
    name: str
    stored_in: float

    def reference(self, tool_name: str) -> str:
        """A repository of the way's own."""
        return f"{self.address}/{tool_name}/{self.name}:v1"


async def make_round(folder: Path, address: str, megabytes: int, seed: int) -> Round:
    """Write the adapter everywhere it has to be before the clock starts."""
    bench = make_bench(folder / "home", insecure_registries=address)
    write_secret(bench.settings.secrets_dir, address)
    files = {"adapter_config.json": b'{"peft_type": "LORA"}', "adapter_model.safetensors": weights(megabytes, seed)}
    undescribed = await trained_job(bench.store, to_image(f"{address}/undescribed/round-{seed}:v1"), files=files)
    described = await trained_job(bench.store, to_image(f"{address}/lorabus/round-{seed}:v1"), files={})
    (folder / "data").mkdir()
    for name, data in files.items():
        (folder / "data" / name).write_bytes(data)
    stored_in = await timed(lambda: hand_over(bench, described, folder / "data"))
    command(folder, "tar", "--sort=name", "--mtime=@0", "-cf", "packed.tar", "data")
    diff_id = sha256(folder / "packed.tar")
    (folder / "config.json").write_text(json.dumps({"rootfs": {"diff_ids": [diff_id]}}))
    with (folder / "stored.tar.gz").open("wb") as packed:
        async for chunk in layer_of(bench, undescribed, files, "gzip").read(0):
            packed.write(chunk)
    return Round(folder, bench, described, undescribed, address, f"round-{seed}", stored_in)


async def hand_over(bench: Bench, record: SpecRecord, folder: Path) -> None:
    """What the trainer does with a trained adapter."""
    digest, at = f"sha256:{'d' * 64}", record.accepted_at
    await store_adapter(
        bench.store, record, folder, attempt=1, metrics={}, trained_tokens=1, dataset_digest=digest, at=at
    )


async def run_round(round_: Round, times: dict[str, list[float]], number: int) -> None:
    """Time every way once; the order turns, so that no way is always first."""
    jobs = {OURS: round_.described, UNDESCRIBED: round_.undescribed}
    ways: dict[str, Way] = {name: partial(publish, round_, job) for name, job in jobs.items()}
    ways |= {name: way(round_) for name, way in ((KAITO, kaito), (ORAS, oras), (CRANE, crane))}
    order = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
    store, job_id = round_.bench.store, round_.described.job_id
    [description] = await store.list("images/layers/")
    as_handed_over = await store.get(description) or b""
    for name in order:
        # What an earlier way has pushed is not known to the next one.
        for known in await store.list("images/layers/"):
            await store.delete(known)
        if name == OURS:
            await store.put(description, as_handed_over)
        times.setdefault(name, []).append(await timed(ways[name]))
    times.setdefault(HAND_OVER, []).append(round_.stored_in)
    await forget_the_end(store, job_id)
    await publish(round_, round_.described)
    await forget_the_end(store, job_id)
    times.setdefault(AGAIN, []).append(await timed(ways[OURS]))


async def publish(round_: Round, record: SpecRecord) -> None:
    """The publisher's use case: read, verify, pack, push, read back, tag, end the job."""
    result = await round_.bench.publisher().publish(record.job_id, 1)
    if result is None or result.state.value != "succeeded":
        raise SystemExit(f"the job ended as {result}")


def kaito(round_: Round) -> Way:
    """What KAITO's pusher.sh does, but straight to the registry instead of by way of a local layout."""

    async def run() -> None:
        command(round_.folder, "tar", "-cf", "layer.tar", "data")
        diff_id = sha256(round_.folder / "layer.tar")
        (round_.folder / "kaito.json").write_text(json.dumps({"rootfs": {"diff_ids": [diff_id]}}))
        command(round_.folder, "gzip", "-9", "--force", "layer.tar")
        oras_push(round_, "kaito", "layer.tar.gz")

    return run


def oras(round_: Round) -> Way:
    """Only the push; the layer is packed as ours is."""

    async def run() -> None:
        oras_push(round_, "oras", "stored.tar.gz")

    return run


def crane(round_: Round) -> Way:
    """crane compresses the tar by itself."""

    async def run() -> None:
        reference = round_.reference("crane")
        command(round_.folder, tool("crane", print), "append", "--insecure", "-f", "packed.tar", "-t", reference)

    return run


def oras_push(round_: Round, name: str, layer: str) -> None:
    """Push config and layer under KAITO's media types."""
    config, typed = f"config.json:{CONFIG}", f"{layer}:{LAYER_GZIP}"
    options = ("--plain-http", "--no-tty", "--config", config, "--annotation", "sh.kaito.model.name=tiny")
    command(round_.folder, tool("oras", print), "push", *options, round_.reference(name), typed)


async def framings(folder: Path, megabytes: int) -> None:
    """What each layer compression costs and saves, packing only."""
    bench = make_bench(folder)
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": weights(megabytes, 99)}
    record = await trained_job(bench.store, to_image("registry.example/a:v1"), files=files)
    print(f"\nlayer_compression, packing and hashing {megabytes} MB of float32 weights:")
    for compression in ("none", "gzip", "zstd"):
        layer = layer_of(bench, record, files, compression)
        began, size = time.perf_counter(), 0
        async for chunk in layer.read(0):
            size += len(chunk)
        told = "gzip (stored)" if compression == "gzip" else compression
        print(f"  {told:14}{time.perf_counter() - began:7.2f} s {size / 1e6:9.1f} MB")
    (folder / "weights").write_bytes(files["adapter_model.safetensors"])
    began = time.perf_counter()
    command(folder, "gzip", "-9", "weights")
    size = (folder / "weights.gz").stat().st_size
    print(f"  {'gzip -9':14}{time.perf_counter() - began:7.2f} s {size / 1e6:9.1f} MB")


def layer_of(bench: Bench, record: SpecRecord, files: dict[str, bytes], compression: Compression) -> LayerSource:
    """The layer of a job, packed anew."""
    folder = store_keys.adapter(record.job_id)
    stored = tuple(
        StoredFile(Entry(f"data/{name}", len(data)), f"{folder}{name}", f"sha256:{hashlib.sha256(data).hexdigest()}")
        for name, data in files.items()
    )
    return LayerSource("adapter", "unused", bench.store, stored, compression, None)


def weights(megabytes: int, seed: int) -> bytes:
    """Noise of a trained adapter's size and spread."""
    import numpy as np  # noqa: PLC0415 - the packages of the trainer bring it.

    return (np.random.default_rng(seed).standard_normal(megabytes * 250_000, dtype="float32") * 0.02).tobytes()


async def timed(way: Way) -> float:
    """Seconds that a way takes; what the one before has written is on the disk by then."""
    os.sync()
    began = time.perf_counter()
    await way()
    return time.perf_counter() - began


def command(folder: Path, *arguments: object) -> None:
    """Run a tool; its failure ends the measurement."""
    subprocess.run([str(argument) for argument in arguments], cwd=folder, check=True, capture_output=True)


def sha256(path: Path) -> str:
    """The file's digest, as KAITO's script computes it."""
    done = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True)
    return f"sha256:{done.stdout.split()[0]}"


def report(times: dict[str, list[float]], megabytes: int) -> None:
    """Medians, spread and the ratios of the claims."""
    print(f"\nfrom files to a pullable tag, {megabytes} MB, median of {len(times[OURS])} (least - most):")
    for name in (OURS, UNDESCRIBED, AGAIN, KAITO, ORAS, CRANE, HAND_OVER):
        seconds = times[name]
        print(f"  {name:38}{statistics.median(seconds):7.2f} s   ({min(seconds):.2f} - {max(seconds):.2f})")
    ours = statistics.median(times[OURS])
    for name in (KAITO, ORAS, CRANE):
        print(f"  lorabus is {statistics.median(times[name]) / ours:.1f} times as fast as {name}")


if __name__ == "__main__":
    main()
