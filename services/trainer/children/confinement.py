"""What a child may not: reach a network, see files that are not its own, take all memory, gain privileges.

A child reads what strangers wrote, so it gives up what it does not need before it reads anything: by a network
namespace, by Landlock, by limits of its own. What a platform does not allow is left out, and told.
"""

import ctypes
import fcntl
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from services.trainer.children import landlock

_NEW_NET, _NEW_USER = 0x40000000, 0x10000000
_PR_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _CAP_VERSION_3 = 38, 24, 0x20080522
# Root reads and writes other people's files with these two; everything else that makes it root goes.
_KEPT_CAPABILITIES = 0b110
_SIOCSIFFLAGS, _UP = 0x8914, 0x41
_OPEN_FILES = 4096
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/proc", "/sys", "/etc/ld.so.cache", "/etc/localtime"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/os-release"),
)
_DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/nvidia*", "/dev/dri", "/dev/kfd"),
    "/dev/shm",  # noqa: S108 - where processes of one training share tensors.
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a child needs; it gets Python and its libraries beside that. `loopback`: it talks to itself over TCP."""

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    memory_bytes: int | None = None
    loopback: bool = False


def confine(allowed: Confinement) -> list[str]:
    """Give up what is not allowed; gives what the platform refused. Call it while there is one thread."""
    if sys.platform != "linux":
        return ["network", "files"]
    _limit(allowed.memory_bytes)
    alone = _leave_network()
    _give_up_privileges()
    tcp = allowed.loopback or alone
    kept_in = landlock.restrict(_readable(allowed.readable), _writable(allowed.writable), tcp=tcp)
    # Without a namespace Landlock still keeps TCP away; its other protocols it does not know.
    cut_off = alone or (kept_in and not tcp and landlock.version() >= 4)
    return [name for name, done in (("network", cut_off), ("files", kept_in)) if not done]


def _limit(memory_bytes: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if memory_bytes is not None:
        limit = _data_limit(memory_bytes)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with suppress(OSError):
        # If the machine runs out of memory all the same, this goes before the trainer and its neighbours.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _data_limit(memory_bytes: int) -> int:
    """RLIMIT_AS would count mapped weights and what CUDA merely reserves; this counts private writable pages.

    It counts them from when they are promised. The libraries have twice as many promised as they have touched, so the
    limit is on what is taken beside what the child starts with.
    """
    _, resident, shared, _, _, promised, _ = map(int, Path("/proc/self/statm").read_text().split())
    return promised * _PAGE + max(0, memory_bytes - (resident - shared) * _PAGE)


def _leave_network() -> bool:
    """Whether this process is in a network of its own now, where only the loopback interface is."""
    user, group = os.geteuid(), os.getegid()
    # Root of the machine stays who it is: in a namespace of its own it could not read other users' files.
    kinds = _NEW_NET if user == 0 else _NEW_NET | _NEW_USER
    if _libc().unshare(kinds) != 0 and _libc().unshare(_NEW_NET | _NEW_USER) != 0:
        return False
    with suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with suppress(OSError), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _UP, b""))
    return True


def _give_up_privileges() -> None:
    for capability in range(64):
        if not _KEPT_CAPABILITIES >> capability & 1:
            _libc().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    held = _KEPT_CAPABILITIES if os.geteuid() == 0 else 0
    header = struct.pack("=Ii", _CAP_VERSION_3, 0)
    # Two words each of effective, permitted and inheritable.
    _libc().capset(header, struct.pack("=6I", held, held, 0, 0, 0, 0))
    _libc().prctl(_PR_NO_NEW_PRIVS, 1, 0, 0, 0)


def _readable(asked: Sequence[str]) -> Iterator[str]:
    """With what links point to; of the import path everything but the folder that lorabus was started in."""
    root = Path(__file__).parents[3]
    yield from _SYSTEM
    yield from (sys.prefix, sys.base_prefix, str(root / "services"), str(root / "schemas"))
    yield from (path for path in sys.path if path and Path(path).resolve() not in (root, Path.cwd()))
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    for path in asked:
        yield path
        yield from (str(link.resolve()) for link in Path(path).glob("*") if link.is_symlink())


def _writable(asked: Sequence[str]) -> Iterator[str]:
    for pattern in _DEVICES:
        yield from glob(pattern)  # noqa: PTH207 - patterns with their whole path.
    yield os.environ.get("HOME", "")
    yield from asked


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
