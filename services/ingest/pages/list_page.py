"""The newest jobs as a table. Pure."""

from collections.abc import Mapping, Sequence
from html import escape

from services.ingest.pages.layout import page

_LINKS = '<p><a href="/docs">HTTP API</a> · <a href="/asyncapi">topics</a></p>'


def list_page(jobs: Sequence[Mapping[str, object]]) -> str:
    """Give the page for these rows."""
    if not jobs:
        return page("lorabus", f"{_LINKS}<p>No job yet. Send one: <code>lorabus submit workspace.yaml --wait</code>")
    lines = "".join(_line(job) for job in jobs)
    head = "".join(f"<th>{name}" for name in ("Job", "State", "Preset", "Progress", "Created"))
    return page("lorabus", f"{_LINKS}<table><thead><tr>{head}<tbody>{lines}</table>")


def _line(job: Mapping[str, object]) -> str:
    progress = job.get("progress")
    steps = f"{progress.get('step')}/{progress.get('totalSteps')}" if isinstance(progress, Mapping) else ""
    job_id = escape(str(job["jobId"]))
    cells = [job.get("state"), job.get("preset") or "", steps, str(job.get("createdAt"))[:19]]
    return f'<tr><td><a href="/v1/jobs/{job_id}">{job_id}</a>' + "".join(f"<td>{escape(str(cell))}" for cell in cells)
