"""The sections of a job's page, each as HTML, so that only what has changed is sent again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.pages.curve import polyline, scale_of
from services.ingest.pages.render import html
from services.ingest.pages.view import JobView
from services.ingest.pages.waterfall import bars


def parts(view: JobView, now: datetime, trace_url: str | None) -> dict[str, str]:
    """Every section by name, in the order of the page."""
    return {
        "summary": html("parts/summary.html", view=view, **_summary(view, trace_url)),
        "curve": html("parts/curve.html", **_curve(view)),
        "timeline": html("parts/timeline.html", bars=bars(view.stages, now)),
        "image": html("parts/image.html", view=view, **_image(view)),
        "samples": html("parts/samples.html", samples=(view.of("training.evaluated") or {}).get("samples")),
        "dataset": html("parts/dataset.html", **_dataset(view)),
        "events": html("parts/events.html", view=view),
    }


def _summary(view: JobView, trace_url: str | None) -> dict[str, object]:
    trace_id = str((view.last or {}).get("traceId") or "")
    return {
        "progress": view.of("training.progress"),
        "failed": view.of("job.failed"),
        "rejected": view.of("job.rejected"),
        "trace_id": trace_id,
        "trace": trace_url.replace("{trace_id}", trace_id) if trace_url and trace_id else None,
    }


def _curve(view: JobView) -> dict[str, object]:
    evaluations = [(step, loss) for step, loss, _ in view.evaluations]
    scale = scale_of(view.losses, evaluations)
    last = view.evaluations[-1] if view.evaluations else None
    return {
        "losses": polyline(view.losses, scale),
        "evaluations": polyline(evaluations, scale),
        "first": view.losses[0][1] if view.losses else None,
        "last": view.losses[-1][1] if view.losses else None,
        "evaluated": last[1] if last else None,
        "base": last[2] if last else None,
        "from_step": int(scale.low[0]),
        "to_step": int(scale.high[0]),
        "top": scale.high[1],
        "speeds": polyline(view.speeds, scale_of(view.speeds)),
        "speed": view.speeds[-1][1] if view.speeds else None,
        "top_speed": max((speed for _, speed in view.speeds), default=None),
    }


def _image(view: JobView) -> dict[str, object]:
    succeeded, accepted = view.of("job.succeeded") or {}, view.of("job.accepted") or {}
    spec: Mapping[str, Any] = accepted.get("spec") or {}
    model = spec.get("model")
    return {
        "image": succeeded.get("image"),
        "preset": accepted.get("preset", ""),
        "name": accepted.get("name", ""),
        "model": model.get("repository", "") if isinstance(model, Mapping) else "",
    }


def _dataset(view: JobView) -> dict[str, object]:
    checked = view.of("dataset.checked")
    return {"checked": checked, "tokens": (checked or {}).get("tokens") or {}}
