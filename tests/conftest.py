"""Real servers for tests, each started when the first test asks for it, on a free port, in a folder of the session's.

They end with the session, also when it is killed (on Linux). What they need is fetched or built once per user:
`python -m deploy.native` does that ahead, so that no test waits for it.
"""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from deploy.native import minio
from deploy.native.stack import KAFKA, MINIO, REGISTRY, TOXIPROXY, ZIPKIN, Supervisor
from deploy.native.toxiproxy import Toxiproxy
from tests.side_by_side import BySystem, longest_first

# torch reads it once. Threads that spin while they wait take the cores from the other test processes: a model was made
# in 34 s here instead of 6.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test case: what a compressor writes holds the second it was written in, and the workers of one
    run must all collect the same names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only in one process of several: alone, pytest keeps its order."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySystem:
    """Instead of what `--dist` names, which would begin with the files that hold the most tests: the quickest ones."""
    config.option.loadscopereorder = False
    return BySystem(config, log)


@pytest.fixture(scope="session")
def native_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """The session's own home for servers."""
    supervisor = Supervisor(
        tmp_path_factory.mktemp("native"), say=lambda line: print(line, file=sys.stderr), usual_ports=False
    )
    yield supervisor
    supervisor.down()


@pytest.fixture(scope="session")
def kafka_bootstrap(native_stack: Supervisor) -> str:
    """`host:port` of a real broker that makes no topics by itself; tests use topic names of their own."""
    return native_stack.up([KAFKA])["kafka"].address


@pytest.fixture(scope="session")
def minio_server(native_stack: Supervisor) -> minio.Server:
    """A real MinIO."""
    address = native_stack.up([MINIO])["minio"].address
    return minio.Server(address, minio.credentials(native_stack.home))


@pytest.fixture
def minio_bucket(minio_server: minio.Server) -> str:
    """The name of a new, empty bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    minio_server.create_bucket(name)
    return name


@pytest.fixture(scope="session")
def registry_address(native_stack: Supervisor) -> str:
    """`host:port` of a real OCI registry that speaks plain HTTP."""
    return native_stack.up([REGISTRY])["registry"].address


@pytest.fixture(scope="session")
def zipkin_url(native_stack: Supervisor) -> str:
    """The base URL of a real Zipkin: spans go to `/api/v2/spans`, `/api/v2/trace/<id>` gives them back."""
    return f"http://{native_stack.up([ZIPKIN])['zipkin'].address}"


@pytest.fixture(scope="session")
def toxiproxy(native_stack: Supervisor) -> Toxiproxy:
    """Faulty TCP links: `toxiproxy.link("127.0.0.1:9092")`."""
    return Toxiproxy(native_stack.up([TOXIPROXY])["toxiproxy"].address)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Tracing on: every span of this process that has ended, in memory."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield made
    provider.shutdown()
