"""The sections of a job's page, whatever its events say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import State
from schemas.events.dataset import LengthHistogram, TokenCounts
from services.ingest.pages import comparison
from services.ingest.pages.charts import loss_chart, speed_chart
from services.ingest.pages.histogram import histogram
from services.ingest.pages.links import Links, explanation
from services.ingest.pages.parts import parts
from services.ingest.pages.recipes import recipes
from services.ingest.pages.summary import Queue, queue_of, why_waiting
from services.ingest.pages.view import JobView

JOB = "default.a.0123456789ab"
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = {
    "model": {"repository": "org/model", "revision": "abc"},
    "output": {"kind": "image", "pushSecret": "push"},
    "config": {"LoraConfig": {"r": 48}},
}
GOLDEN = {
    file.stem: json.loads(file.read_text())["value"]
    for file in sorted((Path(__file__).parents[5] / "schemas" / "examples" / "tuning.events" / "v1").glob("*.json"))
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e300, -0.5, "", "7", "7.0", "<b>", [], [7], {}, {"a": []}]
)


@st.composite
def odd_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event as it should be, but for a few fields."""
    kind = draw(st.sampled_from(sorted(GOLDEN)))
    fields = draw(st.dictionaries(st.sampled_from(sorted(GOLDEN[kind])), ODD, max_size=2))
    return {**GOLDEN[kind], **fields, "type": draw(st.sampled_from([kind, kind, "job.dreaming"]))}


def event(kind: str, second: float = 0, attempt: int = 1, **data: Any) -> dict[str, Any]:
    time = (START + timedelta(seconds=second)).isoformat()
    return {"id": "x", "type": kind, "time": time, "jobId": JOB, "attempt": attempt, "sequence": 1, **data}


def view_of(*events: dict[str, object]) -> JobView:
    view = JobView(JOB)
    for one in events:
        view.add(one)
    return view


def done(spec: dict[str, object], name: str = "answers") -> JobView:
    head: dict[str, Any] = {
        "specDigest": "d",
        "namespace": "default",
        "name": name,
        "preset": "falcon-7b",
        "method": "lora",
    }
    image = {"reference": "registry.example.com/a:1", "digest": "sha256:0", "size": 1}
    return view_of(event("job.accepted", attempt=0, spec=spec, **head), event("job.succeeded", image=image))


@settings(max_examples=60, deadline=None)
@given(st.lists(odd_events(), max_size=8))
def test_no_event_breaks_the_page(said: list[dict[str, Any]]) -> None:
    view = view_of(*({"time": START.isoformat(), **one} for one in said))
    assert len(parts(view, START + timedelta(hours=1), Links("http://z/{trace_id}"), Queue())) == 12


def test_the_trace_and_the_logs_are_linked_where_there_is_a_place_to_look_at_them() -> None:
    view = view_of(event("job.dreaming", traceId="a" * 32))
    links = Links("http://zipkin/{trace_id}", "http://loki/?q={trace_id}")
    shown = parts(view, START, links, Queue())["actions"]
    assert f"http://zipkin/{'a' * 32}" in shown
    assert f"http://loki/?q={'a' * 32}" in shown
    assert "<a " not in parts(view, START, Links(), Queue())["actions"]


def test_a_failures_words_are_linked_for_known_codes_only() -> None:
    assert explanation("DatasetInvalid") == "/docs/errors.md#datasetinvalid"
    assert explanation("Rubbish") is None
    assert explanation(["DatasetInvalid"]) is None


def test_the_recipes_say_what_their_programs_take() -> None:
    pull, kaito, vllm = recipes(done(SPEC))
    assert pull.lines == f"lorabus pull {JOB} -o ./answers"
    workspace = yaml.safe_load(kaito.lines)
    assert workspace["inference"] == {
        "preset": {"name": "falcon-7b"},
        "adapters": [
            {"source": {"name": "answers", "image": "registry.example.com/a:1", "imagePullSecrets": ["push"]}}
        ],
    }
    assert workspace["resource"]["labelSelector"]["matchLabels"] == {"apps": "answers-inference"}
    assert vllm.lines.splitlines()[1:] == [
        "vllm serve org/model \\",
        "  --revision abc \\",
        "  --enable-lora \\",
        "  --max-lora-rank 64 \\",
        "  --lora-modules answers=./answers",
    ]


def test_a_volume_has_no_image_for_kaito_and_a_name_no_power_over_a_shell() -> None:
    keys = [recipe.key for recipe in recipes(done({**SPEC, "output": {"kind": "volume"}}))]
    assert keys == ["pull", "vllm"]
    pull, *_ = recipes(done(SPEC, name="$(rm -rf .)"))
    assert "'./$(rm -rf .)'" in pull.lines


def test_base_and_adapter_are_compared_where_both_are_known() -> None:
    samples = [{"prompt": "p", "expected": "yes ", "base": "no", "adapter": " yes"}, {"prompt": "q", "adapter": "x"}]
    figures: dict[str, Any] = {
        "loss": 0.5,
        "baseLoss": 2.0,
        "tokenAccuracy": 0.2,
        "baseTokenAccuracy": 0.4,
        "perplexity": 1.5,
    }
    view = view_of(event("training.evaluated", step=1, totalSteps=1, samples=samples, **figures))
    assert [(found.name, found.better) for found in comparison.figures(view)] == [
        ("Loss", True),
        ("Token accuracy", False),
    ]
    assert [answer.right for answer in comparison.answers(view)] == [True, False]


def test_charts_reach_from_the_first_step_to_the_last_planned() -> None:
    figures: dict[str, Any] = {"epoch": 0.1, "tokens": 1}
    view = view_of(
        event("training.progress", step=1, totalSteps=40, loss=2.0, tokensPerSecond=100.0, **figures),
        event("training.evaluated", step=20, totalSteps=40, loss=1.0, baseLoss=4.0),
        event("checkpoint.saved", step=20, digest="d", bytes=1),
    )
    chart = loss_chart(view)
    assert chart is not None
    assert chart.across.ticks == (0, 10, 20, 30, 40)
    assert [(line.name, line.last) for line in chart.lines] == [("train", 2.0), ("eval", 1.0)]
    assert (chart.level, chart.checkpoints) == (0, [50])
    assert speed_chart(view) is not None
    assert loss_chart(JobView(JOB)) is speed_chart(JobView(JOB)) is None


def test_a_histogram_has_a_bar_for_each_bucket_on_one_axis() -> None:
    lengths = LengthHistogram(edges=[0, 10, 20, 30, 40, 50], counts=[1, 4, 2, 0, 1])
    made = histogram(TokenCounts(total=1, trained=1, p50=15, p95=50, max=50, lengths=lengths))
    assert made is not None
    assert [(bucket.low, bucket.high, bucket.rows) for bucket in made.buckets[:2]] == [(0, 9, 1), (10, 19, 4)]
    assert (made.buckets[1].top, made.buckets[3].height) == (0, 0)
    assert (made.p50, made.p95) == (30, 100)


@pytest.mark.parametrize(
    "lengths", [None, LengthHistogram(edges=[0, 1], counts=[1, 2]), LengthHistogram(edges=[], counts=[])]
)
def test_buckets_that_do_not_fit_together_are_not_drawn(lengths: LengthHistogram | None) -> None:
    assert histogram(TokenCounts(total=1, trained=1, p50=1, p95=1, max=1, lengths=lengths)) is None


def test_a_pending_job_says_what_it_waits_for() -> None:
    queued = event("job.queued", specDigest="d", state="pending", reason="DiskFull", message="m", retryAfter=30)
    queue = queue_of({State.PENDING: (2, ""), State.RUNNING: (1, ""), State.PUBLISHING: (1, ""), State.FAILED: (9, "")})
    told = why_waiting(view_of(queued), queue, START + timedelta(seconds=10))
    assert told == "waits 20 s before attempt 2 because of DiskFull: m"
    told = why_waiting(view_of(queued), queue, START + timedelta(seconds=31))
    assert told == "waits for a free trainer: 2 jobs wait, 2 are being worked on"
    assert why_waiting(view_of(event("job.claimed", worker="w", state="staging")), queue, START) is None
