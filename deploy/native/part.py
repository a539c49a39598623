"""What a part of the local system is, and what it may know of the place where it is prepared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.native.cache import Say
from deploy.native.process import PartSpec, free_port


@dataclass(frozen=True)
class Site:
    """Where a part is prepared: its home, the parts below it, and the ports that may be taken."""

    home: Path
    say: Say
    addresses: Mapping[str, str] = field(default_factory=dict)
    """`host:port` of the parts that are up, by name."""
    earlier_port: int = 0
    """The part's port when it ran here before: what was told its address still has that one."""
    taken: set[int] = field(default_factory=set)
    usual_ports: bool = True
    """Whether a part may take the port that it is known by, when that one is free."""

    def port(self, preferred: int = 0) -> int:
        """A free port: the one that the part had, else the preferred one, else any; never the same one twice."""
        port = free_port(self.earlier_port or (preferred if self.usual_ports else 0), avoid=self.taken)
        self.taken.add(port)
        return port

    def extra_port(self) -> int:
        """Any free port, for a listener that nobody is told of."""
        port = free_port(avoid=self.taken)
        self.taken.add(port)
        return port

    def folder(self, name: str) -> Path:
        """The part's own folder in the home, open to its owner only."""
        folder = self.home / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class Part:
    """A server of the local system. `prepare` fetches, builds and configures: only a part to be started is asked."""

    name: str
    prepare: Callable[[Site], PartSpec]
    needs: tuple[str, ...] = ()
    """Parts that must be healthy before this one is prepared. When one gets a new address, this one starts anew."""
    patience: float = 60.0
    """Seconds that it may take to become healthy."""
