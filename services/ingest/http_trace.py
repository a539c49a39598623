"""A span for each HTTP request that asks for something to be done, as OpenTelemetry names such spans.

Looking at jobs makes none: the page alone would fill a trace server.
"""

from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common import telemetry


class Traces:
    """ASGI middleware; without an exporter it does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, inside a span if it is a POST."""
        if scope["type"] != "http" or scope["method"] != "POST" or not telemetry.enabled():
            await self._app(scope, receive, send)
            return
        asked = {"http.request.method": "POST", "url.path": scope["path"], "url.scheme": scope["scheme"]}
        parent = Headers(scope=scope).get("traceparent")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                _answered(scope, int(message["status"]))
            await send(message)

        with telemetry.span("POST", parent, asked, kind=SpanKind.SERVER):
            await self._app(scope, receive, told)


def _answered(scope: Scope, status: int) -> None:
    """The route is known once it was found; only what is our fault is an error."""
    running, route = get_current_span(), getattr(scope.get("route"), "path", None)
    if route:
        running.update_name(f"POST {route}")
        running.set_attribute("http.route", route)
    running.set_attribute("http.response.status_code", status)
    if status >= 500:
        running.set_attribute("error.type", str(status))
        running.set_status(Status(StatusCode.ERROR))
