"""One training in several processes: one for each GPU, or several on a CPU.

The child forks its peers before any device is touched. They find each other on the loopback interface; only the first
one speaks to the parent, saves and evaluates for others to hear. A peer dies with the child.
"""

import os
import socket
from dataclasses import dataclass

import torch

from services.trainer.children.parenthood import die_with


@dataclass(frozen=True, slots=True)
class Rank:
    """This process is number `process` of `processes`."""

    process: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """The one that speaks."""
        return self.process == 0

    def any_of(self, mine: bool) -> bool:
        """Whether any process says yes; all have to ask, and all get the same answer."""
        if self.processes == 1:
            return mine
        votes = torch.tensor([int(mine)], device="cuda" if torch.distributed.get_backend() == "nccl" else "cpu")
        torch.distributed.all_reduce(votes)
        return bool(votes.item())


def spread(processes: int) -> Rank:
    """Fork the peers; returns in each process with its own rank."""
    if processes == 1:
        return Rank()
    parent, port = os.getpid(), _free_port()
    process = 0
    for number in range(1, processes):
        if os.fork() == 0:
            die_with(parent)
            process = number
            break
    names = {"RANK": process, "LOCAL_RANK": process, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    return Rank(process, processes)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
