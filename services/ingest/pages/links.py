"""Where else a job can be looked at: its trace, its logs, its events as JSON, the words on its failure. Pure."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from schemas.failures import Reason


@dataclass(frozen=True, slots=True)
class Links:
    """`trace_url` and `log_url` have `{trace_id}` where the id goes; `log_folder` holds this machine's own logs."""

    trace_url: str | None = None
    log_url: str | None = None
    log_folder: Path | None = None

    def trace(self, trace_id: str) -> str | None:
        """The trace's page."""
        return self.trace_url.replace("{trace_id}", quote(trace_id, safe="")) if self.trace_url and trace_id else None

    def logs(self, job_id: str, trace_id: str) -> str | None:
        """What the services have logged about the job: at the operator's place, else from this machine's files."""
        if self.log_url and trace_id:
            return self.log_url.replace("{trace_id}", quote(trace_id, safe=""))
        return f"/jobs/{quote(job_id, safe='')}/logs" if self.log_folder and self.log_folder.is_dir() else None


def explanation(reason: object) -> str | None:
    """Where ingest itself serves what a failure's code means; None for a code that it does not know."""
    return next((f"/{known.help}" for known in Reason if known == reason), None)
