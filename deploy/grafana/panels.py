"""What the dashboards show: one table a dashboard, one line a panel. Pure.

A query is PromQL with the legend of its lines; `unit` is Grafana's name of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` maps PromQL to a legend; `number` shows the newest value large instead of a curve."""

    title: str
    meaning: str
    unit: str
    queries: Mapping[str, str]
    number: bool = False


def _quantiles(metric: str, by: str = "") -> dict[str, str]:
    """The median and the slowest of a hundred, of all processes together or one by one label."""
    labels, legend = (f"{by}, le", f" {{{{{by}}}}}") if by else ("le", "")
    return {
        f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))": f"{name}{legend}"
        for q, name in ((0.5, "median"), (0.99, "p99"))
    }


def _rate(metric: str, by: str, more: str = "") -> dict[str, str]:
    return {f"sum by ({by}) (rate({metric}{more}[$__rate_interval]))": f"{{{{{by}}}}}"}


JOBS = (
    Panel("Waiting", "Jobs that wait for a trainer.", "short", {'max(lorabus_jobs{state="pending"})': ""}, number=True),
    Panel("Running", "Trainers at work.", "short", {"sum(lorabus_trainer_busy)": ""}, number=True),
    Panel("Trainers", "Trainers that answer.", "short", {'sum(up{job="trainer"})': ""}, number=True),
    Panel(
        "Oldest waiting",
        "How long the oldest pending job has waited.",
        "s",
        {'max(lorabus_jobs_oldest_age_seconds{state="pending"})': ""},
        number=True,
    ),
    Panel("Jobs by state", "As ingest knows them.", "short", {"max by (state) (lorabus_jobs)": "{{state}}"}),
    Panel(
        "Jobs that ended",
        "In each hour, by state.",
        "short",
        {"sum by (state) (increase(lorabus_jobs_ended_total[1h]))": "{{state}}"},
    ),
    Panel(
        "Failures by reason",
        "In each hour; docs/errors.md explains the codes.",
        "short",
        {'sum by (reason) (increase(lorabus_jobs_ended_total{state="failed"}[1h])) > 0': "{{reason}}"},
    ),
    Panel("Time to start", "From acceptance to the first claim.", "s", _quantiles("lorabus_trainer_job_wait_seconds")),
    Panel(
        "Run time", "From a job's first event to its last.", "s", _quantiles("lorabus_job_duration_seconds", "state")
    ),
    Panel("Requests", "Answered in each second.", "reqps", _rate("lorabus_ingest_requests_total", "outcome")),
    Panel("Acceptance", "From a request to its answer.", "s", _quantiles("lorabus_ingest_accept_seconds")),
)
TRAINING = (
    Panel(
        "Tokens per second",
        "Useful tokens of each running job.",
        "short",
        {"lorabus_trainer_tokens_per_second": "{{instance}}"},
    ),
    Panel("Time of a step", "Mean of each reported window.", "s", _quantiles("lorabus_trainer_step_duration_seconds")),
    Panel(
        "Since the last progress",
        "How long each running job has stood still.",
        "s",
        {"time() - (lorabus_trainer_progress_timestamp_seconds > 0)": "{{instance}}"},
    ),
    Panel(
        "Age of the last checkpoint",
        "What a job would lose if its trainer died now.",
        "s",
        {"time() - (lorabus_trainer_checkpoint_timestamp_seconds > 0)": "{{instance}}"},
    ),
    Panel(
        "Checkpoints",
        "Bytes a second into the store.",
        "Bps",
        {"sum(rate(lorabus_trainer_checkpoint_bytes_total[$__rate_interval]))": "bytes"},
    ),
    Panel(
        "Time to the first step",
        "From claim to the first step.",
        "s",
        _quantiles("lorabus_trainer_time_to_first_step_seconds"),
    ),
    Panel(
        "Trained tokens",
        "Useful tokens in each second, of all trainers.",
        "short",
        {"sum(rate(lorabus_trainer_trained_tokens_total[$__rate_interval]))": "tokens/s"},
    ),
    Panel("Attempts", "Ended in each second, by outcome.", "short", _rate("lorabus_trainer_attempts_total", "outcome")),
    Panel("Claims", "Tried in each second, by outcome.", "short", _rate("lorabus_trainer_claims_total", "outcome")),
    Panel(
        "Lost leases",
        "In each hour; 0 on a healthy system.",
        "short",
        {"sum(increase(lorabus_trainer_leases_lost_total[1h]))": "leases"},
    ),
    Panel(
        "Staging",
        "Bytes a second from the sources.",
        "Bps",
        {"sum(rate(lorabus_trainer_staged_bytes_total[$__rate_interval]))": "bytes"},
    ),
    Panel(
        "Time to stage", "To have a dataset in the store.", "s", _quantiles("lorabus_trainer_stage_duration_seconds")
    ),
    Panel("Attempt time", "From a claim to its end.", "s", _quantiles("lorabus_trainer_attempt_duration_seconds")),
    Panel(
        "The trainers' queue",
        "As each trainer sees it.",
        "short",
        {"max by (state) (lorabus_trainer_queue_jobs)": "{{state}}"},
    ),
)
_OURS = '{job=~"ingest|trainer|publisher"}'
EDGES = (
    Panel("Up", "Processes that answer.", "short", {f"sum by (job) (up{_OURS})": "{{job}}"}),
    Panel(
        "Consumer lag", "Records that wait.", "short", {"sum by (topic) (lorabus_consumer_lag_records)": "{{topic}}"}
    ),
    Panel(
        "Since Kafka's last answer",
        "Half a second, also when there is nothing new.",
        "s",
        {"max by (job, topic) (time() - (lorabus_consumer_fetch_timestamp_seconds > 0))": "{{job}} {{topic}}"},
    ),
    Panel(
        "Dead letters",
        "In each hour, by service.",
        "short",
        {"sum by (job) (increase(lorabus_dead_letters_total[1h]))": "{{job}}"},
    ),
    Panel(
        "Restarts",
        "In each hour, by service.",
        "short",
        {f"sum by (job) (changes(process_start_time_seconds{_OURS}[1h]))": "{{job}}"},
    ),
    Panel(
        "Memory",
        "Of each process; the training has its own.",
        "bytes",
        {f"process_resident_memory_bytes{_OURS}": "{{job}} {{instance}}"},
    ),
    Panel(
        "Processor time",
        "Cores of each process; the training has its own.",
        "short",
        {f"rate(process_cpu_seconds_total{_OURS}[$__rate_interval])": "{{job}} {{instance}}"},
    ),
    Panel(
        "Open files",
        "As a share of what the process may have.",
        "percentunit",
        {f"process_open_fds{_OURS} / process_max_fds{_OURS}": "{{job}} {{instance}}"},
    ),
    Panel("Event loop", "How late it wakes a sleeper.", "s", _quantiles("lorabus_event_loop_delay_seconds", "job")),
    Panel("Store", "Time of a request.", "s", _quantiles("lorabus_store_request_duration_seconds", "operation")),
    Panel(
        "Requests to the store",
        "In each second.",
        "reqps",
        _rate("lorabus_store_request_duration_seconds_count", "operation"),
    ),
    Panel("Errors of the store", "In each second.", "short", _rate("lorabus_store_errors_total", "error")),
    Panel("Registries", "Time of a request.", "s", _quantiles("lorabus_registry_request_duration_seconds", "method")),
    Panel("Answers of registries", "In each second.", "reqps", _rate("lorabus_registry_requests_total", "status")),
    Panel(
        "Pushing",
        "Bytes a second to registries.",
        "Bps",
        {"sum(rate(lorabus_registry_sent_bytes_total[$__rate_interval]))": "bytes"},
    ),
    Panel("Time to publish", "From adapter to image in place.", "s", _quantiles("lorabus_publisher_push_seconds")),
    Panel("Pushes tried again", "In each second.", "short", _rate("lorabus_publisher_retries_total", "reason")),
    Panel("Adapters in work", "At the publishers.", "short", {"sum(lorabus_publisher_jobs_in_work)": "adapters"}),
    Panel(
        "Published",
        "Bytes of images in each hour.",
        "bytes",
        {"sum(increase(lorabus_publisher_image_bytes_total[1h]))": "bytes"},
    ),
    Panel(
        "Jobs ended by publishers",
        "In each hour, by state.",
        "short",
        {"sum by (state) (increase(lorabus_publisher_jobs_total[1h]))": "{{state}}"},
    ),
    Panel(
        "Webhooks",
        "Events that wait to be delivered.",
        "short",
        {"sum by (endpoint) (lorabus_webhook_waiting_events)": "{{endpoint}}"},
    ),
    Panel(
        "Oldest waiting webhook",
        "Until its receiver takes it.",
        "s",
        {"max by (endpoint) (lorabus_webhook_oldest_waiting_seconds)": "{{endpoint}}"},
    ),
    Panel("Deliveries of webhooks", "In each second.", "short", _rate("lorabus_webhook_deliveries_total", "outcome")),
)
DASHBOARDS: Mapping[str, tuple[Panel, ...]] = {"jobs": JOBS, "training": TRAINING, "edges": EDGES}
