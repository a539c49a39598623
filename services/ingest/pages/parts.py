"""The sections of a job's page, each as HTML, so that only what has changed is sent again."""

from datetime import datetime

from pydantic import ValidationError

from schemas.events import State
from schemas.events.dataset import DatasetChecked
from services.ingest.pages import comparison, documents, summary
from services.ingest.pages.charts import loss_chart, speed_chart
from services.ingest.pages.histogram import histogram
from services.ingest.pages.links import Links, explanation
from services.ingest.pages.recipes import recipes
from services.ingest.pages.render import html
from services.ingest.pages.summary import Queue
from services.ingest.pages.view import JobView
from services.ingest.pages.waterfall import bars, duration, span


def parts(view: JobView, now: datetime, links: Links, queue: Queue) -> dict[str, str]:
    """Every section by name; an empty one is not shown."""
    why = summary.why_waiting(view, queue, now)
    sections = {
        "heard": summary.heard(view),
        "badge": html("parts/badge.html", state=view.state),
        "actions": html("parts/actions.html", view=view, **_links(view, links)),
        "ending": html("parts/ending.html", view=view, why=why, **_ending(view)),
        "summary": html("parts/summary.html", view=view, **_summary(view, now)),
        "image": html("parts/image.html", image=_image(view), recipes=recipes(view)),
        "comparison": html("parts/comparison.html", figures=comparison.figures(view), answers=comparison.answers(view)),
        "curves": html("parts/curves.html", loss=loss_chart(view), speed=speed_chart(view)),
        "timeline": html("parts/timeline.html", bars=bars(view.stages, now), whole=duration(span(view.stages, now))),
        "dataset": html("parts/dataset.html", **_dataset(view)),
        "checkpoints": html("parts/checkpoints.html", checkpoints=list(reversed(view.checkpoints))),
        "events": html("parts/events.html", view=view),
    }
    return {name: content.strip() for name, content in sections.items()}


def _links(view: JobView, links: Links) -> dict[str, object]:
    trace_id = str((view.last or {}).get("traceId") or "")
    return {"trace_id": trace_id, "trace": links.trace(trace_id), "logs": links.logs(view.job_id, trace_id)}


def _ending(view: JobView) -> dict[str, object]:
    failed = view.of("job.failed")
    return {
        "failed": failed,
        "explanation": explanation(failed.get("reason")) if failed and "errors" in documents.names() else None,
        "rejected": view.of("job.rejected"),
        "warnings": (view.of("job.accepted") or {}).get("warnings"),
    }


def _summary(view: JobView, now: datetime) -> dict[str, object]:
    return {
        "progress": view.of("training.progress"),
        "started": view.of("training.started"),
        "staging": view.of("dataset.staging") if view.state == State.STAGING else None,
        "pushing": view.of("image.pushing") if view.state == State.PUBLISHING else None,
        "done": summary.done(view),
        "left": summary.left(view),
        "took": summary.took(view, now),
    }


def _image(view: JobView) -> object:
    return (view.of("job.succeeded") or {}).get("image")


def _dataset(view: JobView) -> dict[str, object]:
    event = view.of("dataset.checked")
    try:
        checked = DatasetChecked.model_validate(event) if event else None
    except ValidationError:
        checked = None
    return {"checked": checked, "histogram": histogram(checked.tokens) if checked else None}
