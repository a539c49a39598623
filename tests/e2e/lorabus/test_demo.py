"""The demo keeps its promise, and an interrupt in the middle of it leaves no process."""

import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.system import System

SECONDS = 280


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path, "embedded", {})


def processes_of(home: Path) -> list[str]:
    """Every process that was told of this home, whoever started it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LORABUS_HOME") == str(home) or str(home) in " ".join(process.cmdline()):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def test_ten_taught_questions_are_asked_and_at_least_eight_come_out_right(system: System) -> None:
    with system.running("demo", "--json") as demo:
        out, err = demo.communicate(timeout=SECONDS)
    lines = [json.loads(line) for line in out.splitlines()]
    events = [line for line in lines if not line["type"].startswith("demo.")]
    answers = [line for line in lines if line["type"] == "demo.answer"]

    assert demo.returncode == 0, err
    assert (events[0]["type"], events[-1]["type"]) == ("job.accepted", "job.succeeded")
    assert any(event["type"] == "training.progress" and event.get("etaSeconds") is not None for event in events)
    assert len(answers) == 10
    assert sum(answer["right"] for answer in answers) == lines[-1]["right"] >= 8
    assert [answer["prompt"] for answer in answers if answer["base"] == answer["expected"]] == []
    assert sorted(path.name for path in (system.home / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert processes_of(system.home) == []


def test_an_interrupt_while_it_trains_stops_everything(system: System) -> None:
    with system.running("demo", "--json") as demo:
        assert demo.stdout
        assert any('"training.progress"' in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=SECONDS)

    assert demo.returncode == 130
    assert "Traceback" not in err
    assert processes_of(system.home) == []
