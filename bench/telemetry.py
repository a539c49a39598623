"""What telemetry costs: a span with tracing off and on, a measured request, and the share of a training that is.

    python -m bench.telemetry [--rounds 20000]

Beside it stands OpenTelemetry itself: its API without an SDK, and its SDK with the same exporter. On means the
standard batch processor and OTLP over HTTP to a server in a process of its own, which reads everything and keeps
nothing; sending is counted, too. A step is one of `tiny` with 4 rows of 256 tokens, forward, backward and optimizer,
in this process, by the wall clock.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from obstore.store import MemoryStore
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry

from services.common import telemetry
from services.common.metrics import EdgeMetrics
from services.common.object_store import ObjectStore
from services.trainer.children.messages import Progress
from services.trainer.metrics import Metrics
from services.trainer.training_spans import WINDOW_SECONDS, TrainingSpans

TINY = Path(__file__).parents[1] / "examples" / "tiny"
PARENT = telemetry.new_traceparent()
ATTRIBUTES: dict[str, str | int] = {"lorabus.job.id": "default.bench.0123456789ab", "lorabus.attempt": 1}
SINK = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    bare = trace.get_tracer("bench")
    rows = [
        ("an empty call", micros(_nothing, rounds)),
        ("span, off: OpenTelemetry's API alone", micros(lambda: _bare(bare), rounds)),
        ("span, off: lorabus", micros(_span, rounds)),
        ("a request to a store in memory", asyncio.run(_stored(ObjectStore(MemoryStore(), "memory"), rounds // 4))),
        ("the same, measured", asyncio.run(_stored(_measured(), rounds // 4))),
    ]
    told = micros(_teller(), rounds)
    rows.append(("a word of the training child, off", told))
    with exporting() as provider:
        exported = provider.get_tracer("bench")
        rows += [
            ("span, on: OpenTelemetry's SDK", micros(lambda: _bare(exported), rounds, provider.force_flush)),
            ("span, on: lorabus", micros(_span, rounds, provider.force_flush)),
        ]
        on = rows[-1][1]
    for name, cost in rows:
        print(f"{name:<42} {cost:>8.2f} µs")
    step = _step_seconds()
    # The child speaks once a second; a window's span closes every half minute.
    each_second = (told + on / WINDOW_SECONDS) / 1e6
    print(f"{'a step of tiny':<42} {step * 1e6:>8.0f} µs")
    print(f"{'of a training, tracing off':<42} {told / 1e6:>10.5%}")
    print(f"{'of a training, tracing on':<42} {each_second:>10.5%}")
    print(f"{'of a step, were there a span for each':<42} {on / 1e6 / step:>10.3%}")
    return 0


def micros(call: Callable[[], object], rounds: int, flush: Callable[[], object] = lambda: None) -> float:
    """Processor microseconds a call, of all threads: the median of five runs. `flush` comes after every thousand."""

    def once() -> float:
        began = time.process_time()
        for number in range(1, rounds + 1):
            call()
            if number % 1000 == 0:
                flush()
        return (time.process_time() - began) / rounds * 1e6

    return median(once() for _ in range(5))


def _nothing() -> None:
    pass


def _span() -> None:
    with telemetry.span("bench", PARENT, ATTRIBUTES):
        pass


def _bare(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("bench", attributes=ATTRIBUTES):
        pass


def _teller() -> Callable[[], None]:
    """What the trainer does with a word of the child, but for the event: metrics and spans."""
    metrics, spans = Metrics(), TrainingSpans(PARENT, time.time())
    word = Progress(step=10, total_steps=100, epoch=0.1, loss=1.0, tokens=1000, tokens_per_second=100.0)

    def tell() -> None:
        metrics.tokens_per_second.set(100.0)
        metrics.stepped(10, 1.0, 1000)
        spans.on_message(word, time.time())

    return tell


def _measured() -> ObjectStore:
    return ObjectStore(MemoryStore(), "memory", EdgeMetrics(CollectorRegistry()).store_request)


async def _stored(store: ObjectStore, rounds: int) -> float:
    await store.put("key", b"value")
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            await store.get("key")
        times.append((time.process_time() - began) / rounds * 1e6)
    return median(times)


@contextmanager
def exporting() -> Iterator[TracerProvider]:
    """Tracing on, to a sink in another process."""
    sink = subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    port = int(sink.stdout.readline())
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    try:
        yield provider
    finally:
        provider.shutdown()
        sink.kill()
        sink.wait()


def _step_seconds() -> float:
    import torch  # noqa: PLC0415 - only this part needs it.
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    torch.set_num_threads(2)
    model = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.randint(0, model.config.vocab_size, (4, 256))

    def step() -> float:
        began = time.perf_counter()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - began

    return median(step() for _ in range(7))


if __name__ == "__main__":
    sys.exit(main())
