"""How fast a file is staged into MinIO, hash included, beside `mc cp`, MinIO's Python client and bare sha256.

python -m bench.staging [--mib 1024] [--rounds 3] [--memory]

Everything runs on this machine, one after the other, in several rounds; the file changes a little in each, so that
nothing is found in the store. Ours is the whole step of a trainer: read, hash, upload, write the records. `mc` and the
client hash nothing. The last lines stage the same bytes from a local web server, as one URL and as four.
"""

import argparse
import asyncio
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
from minio import Minio
from pydantic import SecretStr

from bench.specs import spec_of
from bench.staging_memory import measure, peak_memory, served
from deploy.native import minio
from deploy.native.go_tools import tool
from deploy.native.stack import MINIO, Supervisor
from schemas.workspace import InputSpec, VolumeSource
from services.common.object_store import open_store
from services.trainer.stage import stage
from services.trainer.stage.settings import StagingSettings

MIB = 1024 * 1024
BUCKET = "bench"
SERVER = """
import sys
from aiohttp import web
app = web.Application()
app.router.add_static("/", sys.argv[2])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: print("ready", flush=True))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="only the memory that a URL of --mib takes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as folder:
        home = Path(folder)
        supervisor = Supervisor(home / "native", usual_ports=False, say=lambda line: print(line, file=sys.stderr))
        server = minio.Server(supervisor.up([MINIO])["minio"].address, minio.credentials(supervisor.home))
        try:
            server.create_bucket(BUCKET)
            bench = Bench(home, server, chosen.mib)
            if chosen.memory:
                bench.memory()
            else:
                bench.run(chosen.rounds)
        finally:
            supervisor.down()
    return 0


class Bench:
    """One MinIO, one file, four ways."""

    def __init__(self, home: Path, server: minio.Server, mib: int) -> None:
        self.home, self.server, self.mib = home, server, mib
        self.folder = home / "volumes" / "data"
        self.folder.mkdir(parents=True)
        self.file = self.folder / "data.csv"
        self.settings = StagingSettings(
            home=home,
            store=f"s3://{BUCKET}/lorabus",
            s3_endpoint=server.endpoint,
            s3_access_key=server.login.access_key,
            s3_secret_key=SecretStr(server.login.secret_key),
            source_allow=("127.0.0.1",),
        )
        self.added_memory = 0.0

    def run(self, rounds: int) -> None:
        self._write()
        ways: dict[str, Callable[[], object]] = {
            "sha256 alone": self._sha256,
            "lorabus, from a volume": self._ours,
            "mc cp": self._mc,
            "minio's Python client": self._client,
        }
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, way in ways.items():
                self._change(number)
                speeds[name].append(self.mib / _seconds(way))
                self._clean()
        with served(SERVER, str(self.folder)) as address:
            for name, parts in (("lorabus, from one URL", 1), ("lorabus, from four URLs", 4)):
                self._split(parts)
                urls = tuple(f"{address}/part{number}.csv" for number in range(parts))
                speeds[name] = [self.mib / _seconds(partial(self._stage, InputSpec(kind="urls", urls=urls)))]
                self._clean()
        for name, found in speeds.items():
            print(f"{name:26} {statistics.median(found):7.0f} MiB/s   ({', '.join(f'{x:.0f}' for x in found)})")
        ours, peer = statistics.median(speeds["lorabus, from a volume"]), statistics.median(speeds["mc cp"])
        print(f"ours / mc: {ours / peer:.2f}; memory above the start while staging: {self.added_memory / MIB:.0f} MiB")

    def memory(self) -> None:
        """Into MinIO, then into files."""
        for store in (self.settings.store, f"file://{self.home}/files"):
            kind = store.partition(":")[0]
            measured = asyncio.run(measure(self.mib, self.settings.model_copy(update={"store": store})))
            print(f"{kind:5} {measured}")

    def _ours(self) -> None:
        process = psutil.Process()
        before = process.memory_info().rss
        with peak_memory(process) as peak:
            self._stage(InputSpec(kind="volume", volume=VolumeSource(claim_name="data")))
        self.added_memory = max(self.added_memory, peak[0] - before)

    def _stage(self, source: InputSpec) -> None:
        async def run() -> None:
            async def on_progress(_done: int, _total: int | None) -> None:
                return None

            dataset = await stage(spec_of(source), open_store(self.settings), self.settings, on_progress=on_progress)
            if dataset.reused:
                raise AssertionError("nothing was staged")

        asyncio.run(run())

    def _mc(self) -> None:
        login = self.server.login
        alias = f"http://{login.access_key}:{login.secret_key}@{self.server.address}"
        environment = {**os.environ, "MC_HOST_bench": alias, "MC_CONFIG_DIR": str(self.home / "mc")}
        command = [str(tool("mc", print)), "--quiet", "cp", str(self.file), f"bench/{BUCKET}/mc.csv"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    def _client(self) -> None:
        login = self.server.login
        client = Minio(self.server.address, login.access_key, login.secret_key, secure=False)
        client.fput_object(BUCKET, "client.csv", str(self.file))

    def _sha256(self) -> None:
        with self.file.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    def _write(self) -> None:
        block = os.urandom(MIB)
        with self.file.open("wb") as file:
            for number in range(self.mib):
                file.write(number.to_bytes(8) + block[8:])

    def _change(self, number: int) -> None:
        """Other bytes of the same length, in the page cache for everybody."""
        with self.file.open("r+b") as file:
            file.write(os.urandom(4) + number.to_bytes(4))
        self._sha256()

    def _split(self, parts: int) -> None:
        self._change(parts)
        with self.file.open("rb") as file:
            for number in range(parts):
                with (self.folder / f"part{number}.csv").open("wb") as part:
                    for _ in range(self.mib // parts):
                        part.write(file.read(MIB))

    def _clean(self) -> None:
        """Let no way pay for what another one has left."""
        login = self.server.login
        client = Minio(self.server.address, login.access_key, login.secret_key, secure=False)
        for found in client.list_objects(BUCKET, recursive=True):
            client.remove_object(BUCKET, found.object_name or "")
        os.sync()


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
