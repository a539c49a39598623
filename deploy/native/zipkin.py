"""A real Zipkin on loopback, spans in memory: the trace server of the `stack` profile."""

import tempfile
import zipfile
from pathlib import Path

from deploy.native.cache import Say, locked
from deploy.native.class_archive import archived
from deploy.native.java import jars, java
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env, free_port

PORT = 9411
JVM = (
    *("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
    # Netty's native transport and old queues, which JDK 25 warns of at each start.
    *("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"),
    *("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching"),
)
LAYERS, CLASSES = "BOOT-INF/lib/", "BOOT-INF/classes/"


def prepare(site: Site) -> PartSpec:
    """Fetch Zipkin once."""
    return _spec(program(site.say), site.port(PORT))


def _spec(jvm: tuple[str, ...], port: int) -> PartSpec:
    # Spring takes a list as a whole: address, port and protocol of the one listener.
    listener = {"ip": "127.0.0.1", "port": port, "protocols[0]": "http"}
    settings = [f"--armeria.ports[0].{name}={value}" for name, value in listener.items()]
    command = (*jvm, "zipkin.server.ZipkinServer", "--spring.main.banner-mode=off", *settings)
    env = {**base_env(), "STORAGE_TYPE": "mem", "MEM_MAX_SPANS": "100000"}
    return PartSpec("zipkin", command, env, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/health")


def program(say: Say) -> tuple[str, ...]:
    """The JVM with Zipkin's classes, archived for a fast start; what is missing is fetched and made."""
    (whole,) = jars("zipkin", say)
    files = unpacked(whole)
    return archived("zipkin", (java(), *JVM), files, rehearsal=lambda _, jvm: _spec(jvm, free_port()), say=say)


def unpacked(whole: Path) -> list[Path]:
    """A Spring Boot jar's own classes as one jar, and the jars in it: the JVM archives classes of plain jars only."""
    folder = whole.with_suffix("")
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=whole.parent, prefix=".zipkin-") as draft:
                _unpack(whole, Path(draft) / "jars")
                (Path(draft) / "jars").replace(folder)
    return [folder / "classes.jar", *sorted(path for path in folder.iterdir() if path.name != "classes.jar")]


def _unpack(whole: Path, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(folder / "classes.jar", "w") as classes:
        for entry in source.infolist():
            if entry.is_dir():
                continue
            if entry.filename.startswith(CLASSES):
                classes.writestr(entry.filename.removeprefix(CLASSES), source.read(entry))
            elif entry.filename.startswith(LAYERS):
                (folder / Path(entry.filename).name).write_bytes(source.read(entry))
