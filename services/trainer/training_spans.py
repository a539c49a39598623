"""A training as spans: loading the model, windows of steps, evaluations; read off what the child tells.

The child records none itself, so a span lasts from the word before it to its own.
"""

from services.common import telemetry
from services.trainer.children.messages import ChildMessage, Evaluated, Progress, Started

WINDOW_SECONDS = 30.0


class TrainingSpans:
    """Children of the training's span. Times are seconds since 1970."""

    def __init__(self, traceparent: str, at: float) -> None:
        """The child starts at `at`."""
        self._traceparent = traceparent
        self._since = at
        self._heard = at
        self._first = 1
        self._last: Progress | None = None

    def on_message(self, message: ChildMessage, at: float) -> None:
        """Take in what the child says; a window ends with an evaluation, or when it is long enough."""
        match message:
            case Started():
                telemetry.record("model.load", self._traceparent, self._since, ended=at)
                self._begin((message.resumed_from_step or 0) + 1, at)
            case Progress():
                self._last = message
                if at - self._since >= WINDOW_SECONDS:
                    self.finish(at)
            case Evaluated():
                self.finish(self._heard)
                told = {"lorabus.step": message.step, "lorabus.loss": message.loss}
                telemetry.record("training.evaluate", self._traceparent, self._heard, told, ended=at)
                self._since = at
        self._heard = at

    def finish(self, at: float) -> None:
        """End the window that is open, if anything happened in it."""
        last = self._last
        if last is None:
            return
        told = {
            "lorabus.step.first": self._first,
            "lorabus.step.last": last.step,
            "lorabus.tokens_per_second": last.tokens_per_second or 0.0,
            **({"lorabus.loss": last.loss} if last.loss is not None else {}),
        }
        telemetry.record("training.window", self._traceparent, self._since, told, ended=at)
        self._begin(last.step + 1, at)

    def _begin(self, step: int, at: float) -> None:
        self._first, self._since, self._last = step, at, None
