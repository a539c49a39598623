"""Keep the parts of a home up: what dies is started again, with pauses that grow, three times a minute at most."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy.native.cache import Say, locked
from deploy.native.part import Part
from deploy.native.process import NotHealthyError, is_alive
from deploy.native.records import load_all, log_path
from deploy.native.stack import Supervisor

PER_MINUTE = 3
MINUTE = 60.0
Clock = Callable[[], float]


@dataclass
class Restarts:
    """When a part may be started again, told from its recent deaths. Pure; the clock is handed in."""

    clock: Clock = time.monotonic
    starts: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=PER_MINUTE)))
    due: dict[str, float] = field(default_factory=dict)

    def died(self, name: str) -> float | None:
        """Note a death; gives the seconds until the next start, or None when that is planned already."""
        if name in self.due:
            return None
        now, recent = self.clock(), [start for start in self.starts[name] if self.clock() - start < MINUTE]
        pause = 0.5 * 2.0 ** len(recent)
        if len(recent) == PER_MINUTE:
            pause = max(pause, recent[0] + MINUTE - now)
        self.due[name] = now + pause
        return pause

    def ready(self) -> list[str]:
        """The parts whose pause is over; they count as started."""
        now = self.clock()
        names = [name for name, due in self.due.items() if due <= now]
        for name in names:
            del self.due[name]
            self.starts[name].append(now)
        return names


def keep_up(supervisor: Supervisor, parts: Sequence[Part], say: Say, *, tick: float = 0.5) -> None:
    """Watch the parts until an interrupt; returns when somebody else has taken the home down."""
    restarts = Restarts()
    while True:
        time.sleep(tick)
        # An `up` or `down` in another process holds the lock until it is done: no half of it is taken for a death.
        with locked(supervisor.home / "run" / ".lock"):
            known = load_all(supervisor.home)
        if not known:
            say("the home was taken down by somebody else")
            return
        for part in parts:
            alive = part.name in known and is_alive(known[part.name])
            pause = None if alive else restarts.died(part.name)
            if pause is not None:
                log = log_path(supervisor.home, part.name)
                say(f"{part.name} has died; it is started again in {pause:.1f} s (log: {log})")
        again = restarts.ready()
        if again:
            _start(supervisor, [part for part in parts if part.name in again], say)


def _start(supervisor: Supervisor, parts: Sequence[Part], say: Say) -> None:
    try:
        supervisor.up(parts)
    except NotHealthyError as error:
        say(str(error))
