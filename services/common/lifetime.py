"""How a service process lives: it starts, waits for SIGTERM, SIGINT or a fatal fault, and stops in order."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiokafka.errors import KafkaConnectionError

from services.common.errors import LorabusError, StartError, Unreachable
from services.common.settings import Settings

log = structlog.get_logger()
EXIT_FAILED, EXIT_UNREACHABLE = 1, 3


class Lifetime:
    """Holds the wish to stop and its reason."""

    def __init__(self) -> None:
        """Start without a reason to stop."""
        self._stopped = asyncio.Event()
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopped.set()

    def fail(self, error: BaseException) -> None:
        """End the process because of `error`; the first one is kept."""
        self.error = self.error or error
        self._stopped.set()

    async def wait(self) -> None:
        """Return once somebody asked to stop."""
        await self._stopped.wait()


Service = Callable[[Lifetime], AbstractAsyncContextManager[None]]


def run_service(name: str, settings: Settings, service: Service) -> int:
    """Run one service until it is told to stop; gives the exit code (0 done, 1 failed, 3 a server is not there)."""
    try:
        return asyncio.run(_run(name, service))
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
            log.info("started", service=name)
            await lifetime.wait()
            log.info("stopping", service=name)
    if lifetime.error is None:
        return 0
    level = "error" if isinstance(lifetime.error, LorabusError) else "exception"
    getattr(log, level)("stopped by a fault", service=name, error=str(lifetime.error))
    return EXIT_FAILED


@contextlib.contextmanager
def _signals(lifetime: Lifetime):  # type: ignore[no-untyped-def]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lifetime.stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def background(task_name: str, coroutine, lifetime: Lifetime) -> AsyncIterator[None]:  # type: ignore[no-untyped-def]
    """Run a coroutine beside the service; its failure ends the process, the service's end cancels it."""

    async def guarded() -> None:
        try:
            await coroutine
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("a background task failed", task=task_name)
            lifetime.fail(error)

    task = asyncio.create_task(guarded(), name=task_name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
