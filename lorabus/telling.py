"""An event in a sentence for people. Pure; what others wrote is shown without its control characters."""

import math
from collections.abc import Iterable

from lorabus.events import Event
from schemas.events.base import EventData
from schemas.events.dataset import DatasetChecked, DatasetStaged, DatasetStaging
from schemas.events.image import ImagePublished, ImagePushing
from schemas.events.job import (
    JobAccepted,
    JobCancelled,
    JobCancelling,
    JobClaimed,
    JobFailed,
    JobQueued,
    JobRejected,
    JobSucceeded,
)
from schemas.events.model import ModelStaging
from schemas.events.training import (
    AdapterTrained,
    CheckpointSaved,
    TrainingEvaluated,
    TrainingProgress,
    TrainingResumed,
    TrainingStarted,
)

MAX_TEXT = 2000
SHOWN_PROBLEMS = 20


def tell(event: Event) -> str:
    """One event, one line (a failure and its problems may take more)."""
    return printable((_sentence(event.model) if event.model else "") or event.type)


def printable(text: str, most: int = MAX_TEXT) -> str:
    """Line breaks stay; whatever else could command a terminal is shown as its code."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text[:most])
    return shown if len(text) <= most else f"{shown}…"


def size(count: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for people: 42 s, 3:07, 2:03:00."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def figures(event: TrainingProgress) -> str:
    """Loss, speed and time left, as far as they are known."""
    known = [
        f"loss {event.loss:.3f}" if event.loss is not None else "",
        f"{event.tokens_per_second:,.0f} tokens/s" if event.tokens_per_second is not None else "",
        f"ETA {duration(event.eta_seconds)}" if event.eta_seconds is not None else "",
        "stalled" if event.stalled else "",
    ]
    return ", ".join(filter(None, known))


def _sentence(event: EventData) -> str:  # noqa: C901, PLR0911, PLR0912 - a table: one line a type.
    match event:
        case JobAccepted():
            warnings = [f"\n  warning: {warning}" for warning in event.warnings]
            return f"accepted: {event.method} on {event.preset}{''.join(warnings)}"
        case JobQueued():
            if event.reason is None:
                return "queued: waits for a trainer"
            pause = f" in {duration(event.retry_after)}" if event.retry_after else ""
            return f"attempt {event.attempt} is over, the next may begin{pause}: {event.reason}: {event.message}"
        case JobRejected():
            return rejection(event)
        case JobClaimed():
            resumed = f", goes on from step {event.resumed_from_step}" if event.resumed_from_step else ""
            return f"claimed by {event.worker} (attempt {event.attempt}{resumed})"
        case ModelStaging():
            total = f" of {size(event.total_bytes)}" if event.total_bytes else ""
            return f"fetching {event.repository}: {size(event.bytes)}{total}"
        case DatasetStaging():
            total = f" of {size(event.total_bytes)}" if event.total_bytes else ""
            return f"staging the dataset: {size(event.bytes)}{total}"
        case DatasetStaged():
            reused = ", was there already" if event.reused else ""
            count = f"{len(event.files)} file{'' if len(event.files) == 1 else 's'}"
            return f"dataset staged: {count}, {size(sum(f.size for f in event.files))}{reused}"
        case DatasetChecked():
            return _checked(event)
        case TrainingStarted():
            return (
                f"training: {event.total_steps} steps on {event.device} in {event.dtype}, "
                f"{event.trainable_parameters:,} trainable parameters in {event.target_modules} modules"
                f"{_notes(event.notes)}"
            )
        case TrainingProgress():
            return f"step {event.step}/{event.total_steps}: {figures(event)}{_notes(event.notes)}"
        case TrainingEvaluated():
            base = f" (base {event.base_loss:.3f})" if event.base_loss is not None else ""
            loss = "no number" if event.loss is None else f"{event.loss:.3f}"
            return f"evaluated at step {event.step}: loss {loss}{base}"
        case TrainingResumed():
            return f"goes on from step {event.step} of {event.total_steps}"
        case CheckpointSaved():
            return f"checkpoint at step {event.step} saved ({size(event.bytes)})"
        case AdapterTrained():
            total = size(sum(file.size for file in event.files))
            return f"adapter trained on {event.trained_tokens:,} tokens ({total}){_metrics(event.metrics)}"
        case ImagePushing():
            return f"publishing: {size(event.bytes)} of {size(event.total_bytes)}"
        case ImagePublished():
            return f"published {event.reference} ({size(event.size)})"
        case JobSucceeded():
            return f"succeeded: {event.image.reference}\n  {event.image.digest}, {size(event.image.size)}"
        case JobFailed():
            more = f"\n  see {event.help}" if event.help else ""
            return f"failed: {event.reason}: {event.message}{more}"
        case JobCancelling():
            return "cancelling"
        case JobCancelled():
            kept = f"; the checkpoint of step {event.checkpoint_step} is kept" if event.checkpoint_step else ""
            return f"cancelled{kept}"
        case _:
            return ""


def rejection(event: JobRejected) -> str:
    """Every reason for a refusal."""
    reasons = [f"\n  {p.path}: {p.message}" if p.path else f"\n  {p.message}" for p in event.problems]
    return f"rejected:{''.join(reasons)}"


def _checked(event: DatasetChecked) -> str:
    tokens = event.tokens
    facts = [f"{event.rows:,} rows ({event.format})"]
    if tokens is not None:
        facts.append(f"{tokens.total:,} tokens, {tokens.trained:,} of them trained on; {event.planned_steps:,} steps")
    asides = {"truncated": event.truncated, "dropped": event.dropped, "duplicates": event.duplicates}
    counts = [f"{count} {name}" for name, count in asides.items() if count]
    problems = [f"\n  {p.file}:{p.line}{p.pointer}: {p.message}" for p in event.problems[:SHOWN_PROBLEMS]]
    hidden = max(event.problem_count, len(event.problems)) - len(problems)
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    return f"dataset checked: {', '.join(facts)}{'; ' if counts else ''}{', '.join(counts)}{''.join(problems)}{more}"


def _notes(notes: Iterable[str]) -> str:
    return "".join(f"\n  note: {note}" for note in notes)


def _metrics(metrics: dict[str, float]) -> str:
    first, last = metrics.get("loss_first"), metrics.get("loss_last")
    return f", loss {first:.3f} to {last:.3f}" if first is not None and last is not None else ""
