"""HTML from templates; whatever comes from outside is escaped by Jinja."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader
from starlette.responses import HTMLResponse

from schemas import waiting

NONE = "\N{EN DASH}"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("services.ingest.pages"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "bytes": size, "ago": ago, "clock": clock, "day": day, "told": told}
    environment.filters |= {"short": short, "length_left": waiting.length}
    return environment


def html(template: str, **values: Any) -> str:
    """Fill a template in."""
    return _environment().get_template(template).render(**values)


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page with its security headers."""
    return HTMLResponse(html(template, **values), status, headers=SECURITY)


def number(value: object, digits: int = 3) -> str:
    """A figure as people read it; a dash for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def size(value: object) -> str:
    """Bytes in the unit that fits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def short(digest: object) -> str:
    """The first signs of a digest, enough to tell two apart."""
    return str(digest).removeprefix("sha256:")[:12]


def ago(value: object) -> str:
    """How long it is past, for lists."""
    time = _time(value)
    if time is None:
        return NONE
    seconds = max(0, int((datetime.now(UTC) - time).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def clock(value: object) -> str:
    """A time of day in UTC."""
    time = _time(value)
    return f"{time:%H:%M:%S}" if time else NONE


def day(value: object) -> str:
    """A date in UTC."""
    time = _time(value)
    return f"{time:%Y-%m-%d}" if time else ""


def told(event: Mapping[str, Any]) -> str:
    """What an event says, in a line."""
    parts = [str(event[name]) for name in ("reason", "message", "worker", "reference") if event.get(name)]
    if isinstance(event.get("problems"), list) and event["problems"]:
        parts.append(f"{len(event['problems'])} problem{'' if len(event['problems']) == 1 else 's'}")
    if event.get("step") is not None:
        total = event.get("totalSteps")
        parts.insert(0, f"step {event['step']}" + (f" of {total}" if total is not None else ""))
    if event.get("loss") is not None:
        parts.append(f"loss {number(event['loss'])}")
    if event.get("tokensPerSecond") is not None:
        parts.append(f"{number(event['tokensPerSecond'])} tokens/s")
    if event.get("bytes") is not None:
        parts.append(" of ".join(size(event[name]) for name in ("bytes", "totalBytes") if event.get(name) is not None))
    if event.get("digest"):
        parts.append(short(event["digest"]))
    return ", ".join(parts)


def _time(value: object) -> datetime | None:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
