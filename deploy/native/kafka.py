"""A real Apache Kafka broker, its own controller, on loopback: data under `<home>/kafka`."""

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from deploy.native.cache import Say
from deploy.native.class_archive import archived
from deploy.native.java import jars, java
from deploy.native.part import Site
from deploy.native.process import NotHealthyError, PartSpec, base_env, free_port
from deploy.native.records import log_path

PORT = 9092
JVM = (
    # One small broker that starts fast matters more here than the last bit of throughput.
    *("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
    # Kafka unmaps its index files that way, and JDK 25 warns of it at each start.
    "--sun-misc-unsafe-memory-access=allow",
    # Archived call adapters do not link (hash collisions, two warnings a start), and save nothing that can be measured.
    *("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching"),
    "-Dlog4j2.level=WARN",
)


def prepare(site: Site) -> PartSpec:
    """Fetch Kafka, format its folder once, and write the settings of this start."""
    address, controller = f"127.0.0.1:{site.port(PORT)}", f"127.0.0.1:{site.extra_port()}"
    return _spec(site.home, program(site.say), address, controller)


def program(say: Say) -> tuple[str, ...]:
    """The JVM with Kafka's classes, archived for a fast start; what is missing is fetched and made."""
    files = jars("kafka", say)
    return archived("kafka", (java(), *JVM), files, rehearsal=_rehearsal, say=say)


def _rehearsal(home: Path, jvm: tuple[str, ...]) -> PartSpec:
    """A broker in a passing home, for the archive of what a start loads."""
    return _spec(home, jvm, f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")


def _spec(home: Path, jvm: tuple[str, ...], address: str, controller: str) -> PartSpec:
    folder = home / "kafka"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data, settings = folder / "data", folder / "server.properties"
    if not data.exists():
        _format(home, jvm, folder, properties(address, controller, folder / "data.new"))
    settings.write_text(properties(address, controller, data))
    return PartSpec("kafka", (*jvm, "kafka.Kafka", str(settings)), base_env(), address, f"kafka://{address}")


def properties(address: str, controller: str, data: Path) -> str:
    """The settings of a single broker whose topics are declared, never made by accident.

    After a kill the controller, though of the same process, honours the dead broker's session until it times out and
    refuses the new one so long: the default of 9 s would be the time of a restart.
    """
    return f"""\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{address},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={controller}
log.dirs={data}
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
"""


def _format(home: Path, jvm: tuple[str, ...], folder: Path, settings: str) -> None:
    """Make the log folder beside its place, then move it there: an interrupted format leaves nothing half done."""
    draft, path = folder / "data.new", folder / "format.properties"
    shutil.rmtree(draft, ignore_errors=True)
    path.write_text(settings)
    # A leading dash would read as an option.
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    log = log_path(home, "kafka")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        arguments = ("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(path), "--standalone")
        done = subprocess.run((*jvm, *arguments), env=base_env(), stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        raise NotHealthyError("kafka", f"could not format {draft}", log)
    draft.rename(folder / "data")
    path.unlink()
