"""The local system as a table of parts, and the supervisor that keeps a home's parts up.

    supervisor = Supervisor(home, say=print, detach=True)
    running = supervisor.up(PROFILES["stack"])      # what is healthy stays, what has died is started again
    supervisor.status()                             # [{"name", "pid", "address", "healthy"}, ...]
    supervisor.down()

Several homes can be up at once: each keeps its own ports, and finds its parts through `<home>/run`.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from deploy.native import kafka, minio, registry, toxiproxy, zipkin
from deploy.native.cache import Say, locked
from deploy.native.part import Part, Site
from deploy.native.process import NotHealthyError, free_port, is_alive, is_healthy, start, stop, wait_healthy
from deploy.native.records import Running, load_all

KAFKA = Part("kafka", kafka.prepare)
MINIO = Part("minio", minio.prepare)
REGISTRY = Part("registry", registry.prepare)
ZIPKIN = Part("zipkin", zipkin.prepare)
TOXIPROXY = Part("toxiproxy", toxiproxy.prepare)

PROFILES: Mapping[str, tuple[Part, ...]] = MappingProxyType(
    {
        "embedded": (KAFKA,),
        "stack": (KAFKA, MINIO, REGISTRY, ZIPKIN),
    }
)

ATTEMPTS = 3
"""Starts of one part before its failure counts: a port that was free may be taken before the server binds it."""


def layers(parts: Iterable[Part]) -> list[list[Part]]:
    """The parts in layers: each needs only what stands in those before. A need that is not among them is up already."""
    table = {part.name: part for part in parts}
    sorter = TopologicalSorter({p.name: [need for need in p.needs if need in table] for p in table.values()})
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        found.append([table[name] for name in table if name in ready])
        sorter.done(*ready)
    return found


class Supervisor:
    """The parts of one home. Unless `detach`, what it starts ends with the calling thread at the latest.

    Without `usual_ports` a part that was not here before gets any free port. `grace` is how many seconds a part has to
    end by itself.
    """

    def __init__(
        self,
        home: Path,
        *,
        say: Say = lambda _: None,
        detach: bool = False,
        usual_ports: bool = True,
        grace: float = 30.0,
    ) -> None:
        self.home, self._say, self._detach = home.resolve(), say, detach
        self._usual_ports, self._grace = usual_ports, grace

    def up(self, parts: Sequence[Part]) -> dict[str, Running]:
        """Start what does not run, layer by layer, and return all of the parts healthy.

        An error or an interrupt stops what this call has started and is raised again; what ran before stays.
        """
        with self._locked():
            round_ = _Round(self.home, self._say, self._detach, self._usual_ports)
            try:
                for level, layer in enumerate(layers(parts)):
                    round_.bring_up(layer, level)
            except BaseException:
                stop(self.home, round_.started.values(), grace=self._grace)
                raise
            running = load_all(self.home)
            return {part.name: running[part.name] for part in parts}

    def down(self, names: Collection[str] | None = None) -> list[str]:
        """Stop the named parts, or all, those that need others first; returns the names of those that ran."""
        with self._locked():
            known = [r for r in load_all(self.home).values() if names is None or r.name in names]
            alive = [running.name for running in known if is_alive(running)]
            for level in sorted({running.level for running in known}, reverse=True):
                stop(self.home, [r for r in known if r.level == level], grace=self._grace)
            return alive

    def status(self) -> list[dict[str, Any]]:
        """One object a part that was started here, as `lorabus status` shows it; a dead part has no pid."""
        known = sorted(load_all(self.home).values(), key=lambda running: (running.level, running.name))
        return [
            {
                "name": running.name,
                "pid": running.pid if is_alive(running) else None,
                "address": running.address,
                "healthy": is_healthy(running),
            }
            for running in known
        ]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        waiting = f"waiting for another `lorabus up` or `down` in {self.home}"
        with locked(self.home / "run" / ".lock", waiting=lambda: self._say(waiting)):
            yield


@dataclass
class _Round:
    """One call of `up`: what it has started so far, and which parts are not where they were before."""

    home: Path
    say: Say
    detach: bool
    usual_ports: bool
    started: dict[str, Running] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)

    def bring_up(self, layer: Sequence[Part], level: int) -> None:
        """Start the layer's parts side by side, then wait for each."""
        began = time.monotonic()
        launched = [(part, self._start(part, level)) for part in layer if not self._stays(part)]
        for part, running in launched:
            settled = self._settle(part, running)
            self.say(f"{part.name} is up at {settled.address} ({time.monotonic() - began:.1f} s)")

    def _stays(self, part: Part) -> bool:
        """Whether the part runs well as it is; one that is only slow to answer gets some seconds."""
        earlier = load_all(self.home).get(part.name)
        if earlier is None or not is_alive(earlier) or self.moved.intersection(part.needs):
            return False
        try:
            wait_healthy(self.home, earlier, timeout=5.0)
        except NotHealthyError:
            return False
        return True

    def _start(self, part: Part, level: int) -> Running:
        known = load_all(self.home)
        earlier = known.get(part.name)
        if earlier:
            stop(self.home, [earlier])
        site = Site(
            self.home,
            self.say,
            addresses={name: running.address for name, running in known.items()},
            earlier_port=urlsplit(f"//{earlier.address}").port or 0 if earlier else 0,
            taken=self.taken,
            usual_ports=self.usual_ports,
        )
        spec = part.prepare(site)
        running = self.started[part.name] = start(self.home, spec, detach=self.detach, level=level)
        if earlier and earlier.address != running.address:
            self.moved.add(part.name)
        return running

    def _settle(self, part: Part, running: Running) -> Running:
        """Wait for health; a part that lost its port to somebody else, between our look and its bind, gets another."""
        for _ in range(ATTEMPTS - 1):
            try:
                wait_healthy(self.home, running, part.patience)
            except NotHealthyError:
                if not lost_port(running):
                    raise
                running = self._start(part, running.level)
            else:
                return running
        wait_healthy(self.home, running, part.patience)
        return running


def lost_port(running: Running) -> bool:
    """Whether somebody else has the port of a part that ended."""
    port = urlsplit(f"//{running.address}").port
    return not is_alive(running) and port is not None and free_port(port) != port
