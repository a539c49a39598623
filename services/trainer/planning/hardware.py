"""What this machine gives to a training, found without torch: cores, memory and GPUs that this process may use."""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The rest is for the trainer itself, its imports, and the system.
SHARE_OF_MEMORY = 0.9
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """`capability` is CUDA's, such as (8, 0)."""

    name: str
    memory_bytes: int
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hardware:
    """`cpu_flags` are the kernel's words, such as `amx_bf16`; `memory_bytes` is what the container may use."""

    cores: int
    memory_bytes: int
    cpu_flags: frozenset[str] = frozenset()
    gpus: tuple[Gpu, ...] = ()


def detect(memory_limit: int | None = None) -> Hardware:
    """Look at the machine and at the limits of the container; `memory_limit` is what a training gets of it."""
    memory = int(_memory() * SHARE_OF_MEMORY)
    return Hardware(_cores(), min(memory, memory_limit or memory), _flags(), _gpus())


def _cores() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        # A quota of 1.5 cores runs two threads badly less often than it wastes half a core.
        usable = min(usable, max(1, round(int(quota) / int(period))))
    return usable


def _memory() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = (_CGROUP / "memory.max", _CGROUP / "memory" / "memory.limit_in_bytes")
    limits = [int(limit) for limit in (_read(path).strip() for path in files) if limit.isdigit()]
    return min([physical, *limits])


def _flags() -> frozenset[str]:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _gpus() -> tuple[Gpu, ...]:
    if shutil.which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ()
    command = ["nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return tuple(_gpu(line) for line in answer.splitlines() if line.strip())
    return ()


def _gpu(line: str) -> Gpu:
    name, memory, capability = (part.strip() for part in line.split(","))
    major, _, minor = capability.partition(".")
    return Gpu(name, int(memory) << 20, (int(major), int(minor)))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
