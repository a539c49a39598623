"""Every endpoint with its own consumer, line and connections, beside the service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from services.common.lifetime import Lifetime, background
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.consume import consume
from services.ingest.webhooks.deliver import Deliveries
from services.ingest.webhooks.endpoints import Endpoint
from services.ingest.webhooks.line import Line
from services.ingest.webhooks.message import wants
from services.ingest.webhooks.metrics import Waiting, WebhookMetrics
from services.ingest.webhooks.post import open_post
from services.ingest.webhooks.schedule import Schedule


@asynccontextmanager
async def delivering(
    settings: IngestSettings, endpoints: Sequence[Endpoint], metrics: WebhookMetrics, lifetime: Lifetime
) -> AsyncIterator[None]:
    """Deliver to all of them."""
    schedule = Schedule(settings.webhooks_retry_seconds, settings.webhooks_give_up_seconds)
    async with AsyncExitStack() as stack:
        for endpoint in endpoints:
            post = await stack.enter_async_context(open_post(settings, endpoint))
            deliveries = Deliveries(endpoint, post, schedule, metrics.tried)
            line = Line(partial(wants, endpoint), deliveries.deliver, lifetime.fail)
            metrics.watch(endpoint.name, partial(_waiting, line, deliveries))
            work = consume(settings, endpoint.name, line, deliveries)
            await stack.enter_async_context(background(f"webhooks: {endpoint.name}", work, lifetime))
        yield


def _waiting(line: Line, deliveries: Deliveries) -> Waiting:
    return Waiting(line.waiting, line.oldest, deliveries.gone)
