"""A real Zipkin on loopback, spans in memory: the trace server of the `stack` profile."""

from deploy.native.java import jars, java
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env

PORT = 9411
JVM = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


def prepare(site: Site) -> PartSpec:
    """Fetch Zipkin once."""
    (jar,) = jars("zipkin", site.say)
    port = site.port(PORT)
    env = {
        **base_env(),
        "STORAGE_TYPE": "mem",
        "MEM_MAX_SPANS": "100000",
    }
    # Spring takes a list as a whole: address, port and protocol of the one listener.
    listener = {"ip": "127.0.0.1", "port": port, "protocols[0]": "http"}
    settings = [f"--armeria.ports[0].{name}={value}" for name, value in listener.items()]
    command = (java(), *JVM, "-jar", str(jar), *settings)
    return PartSpec("zipkin", command, env, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/health")
