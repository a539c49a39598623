"""What the trainer shows of a running job, and that nothing of it stays when the job is over."""

from contextlib import suppress

import pytest

from services.trainer.metrics import Metrics


def test_while_a_job_runs_its_progress_has_a_time_and_after_it_none() -> None:
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    with suppress(ZeroDivisionError), metrics.working():
        assert value("lorabus_trainer_busy") == 1
        assert value("lorabus_trainer_progress_timestamp_seconds")
        metrics.checkpointed(100)
        assert value("lorabus_trainer_checkpoint_timestamp_seconds")
        raise ZeroDivisionError
    for name in ("busy", "progress_timestamp_seconds", "checkpoint_timestamp_seconds"):
        assert value(f"lorabus_trainer_{name}") == 0
    assert value("lorabus_trainer_attempt_duration_seconds_count") == 1
    assert value("lorabus_trainer_checkpoint_bytes_total") == 100


def test_a_window_without_a_step_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    metrics.stepped(0, 10.0, 0)
    assert value("lorabus_trainer_progress_timestamp_seconds") == 0
    metrics.stepped(4, 10.0, 400)
    assert value("lorabus_trainer_progress_timestamp_seconds")
    assert value("lorabus_trainer_step_duration_seconds_sum") == 2.5
    assert value("lorabus_trainer_trained_tokens_total") == 400


def test_bytes_of_a_failed_try_do_not_count_back() -> None:
    metrics = Metrics()
    for step in (10, -10, 15):
        metrics.staged(step)
    assert metrics.registry.get_sample_value("lorabus_trainer_staged_bytes_total") == 25
