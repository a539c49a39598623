"""How a service process lives: it starts, waits for SIGTERM, SIGINT or a fatal fault, and stops in order."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager

import structlog
from aiokafka.errors import KafkaConnectionError

from services.common.errors import LorabusError, StartError, Unreachable
from services.common.settings import Settings

log = structlog.get_logger()
EXIT_FAILED, EXIT_UNREACHABLE = 1, 3
# What a service makes dies when its last reader lets go. Python's 700 allocations between two searches for cycles
# cost ingest a tenth of its processor time, most of it in objects that came with the imports.
ALLOCATIONS_BETWEEN_COLLECTIONS = 20_000


class Lifetime:
    """Holds the wish to stop and its reason."""

    def __init__(self) -> None:
        """Start without a reason to stop."""
        self.stopping = asyncio.Event()
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Ask for an orderly end."""
        self.stopping.set()

    def fail(self, error: BaseException) -> None:
        """End the process because of `error`; the first one is kept."""
        self.error = self.error or error
        self.stopping.set()

    async def wait(self) -> None:
        """Return once somebody asked to stop."""
        await self.stopping.wait()


Service = Callable[[Lifetime], AbstractAsyncContextManager[None]]


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run_service(name: str, settings: Settings, service: Service, loop_factory: LoopFactory | None = None) -> int:
    """Run one service until it is told to stop; gives the exit code (0 done, 1 failed, 3 a server is not there)."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_run(name, service))
    except Unreachable as error:
        log.error("cannot start", service=name, error=str(error))  # noqa: TRY400 - the line says it all.
        return EXIT_UNREACHABLE
    except KafkaConnectionError:
        log.error("cannot start", service=name, error=f"Kafka at {settings.kafka} is not reachable")  # noqa: TRY400
        return EXIT_UNREACHABLE
    except StartError as error:
        log.error("cannot start", service=name, error=str(error))  # noqa: TRY400
        return EXIT_FAILED


async def _run(name: str, service: Service) -> int:
    lifetime = Lifetime()
    with _signals(lifetime):
        async with service(lifetime):
            gc.freeze()
            gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
            log.info("started", service=name)
            await lifetime.wait()
            log.info("stopping", service=name)
    if lifetime.error is None:
        return 0
    level = "error" if isinstance(lifetime.error, LorabusError) else "exception"
    getattr(log, level)("stopped by a fault", service=name, error=str(lifetime.error))
    return EXIT_FAILED


@contextlib.contextmanager
def _signals(lifetime: Lifetime) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lifetime.stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def background(
    name: str, work: Coroutine[object, object, None], lifetime: Lifetime, *, drain_seconds: float = 0.0
) -> AsyncIterator[None]:
    """Run `work` beside the service; its failure ends the process.

    When the service ends, `work` has `drain_seconds` to end by itself, then it is cancelled.
    """

    async def guarded() -> None:
        try:
            await work
        except Exception as error:
            log.exception("a background task failed", task=name)
            lifetime.fail(error)

    task = asyncio.create_task(guarded(), name=name)
    try:
        yield
    finally:
        await asyncio.wait({task}, timeout=drain_seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
