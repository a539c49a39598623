"""Landlock: from now on this process and what it starts reach only the files that are named here.

The kernel's own sandbox (Linux 5.13), for which no privilege is needed; a container's usual seccomp profile allows it.
Beside files it keeps a process from looking into others (environment, memory) and, from version 4 on, from TCP.
Numbers and structures: linux/landlock.h.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH = 1, 1
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 14))
_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE
# By version: every right on files that it knows. Ioctls are left alone, for GPUs are driven by them.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_BIND_AND_CONNECT = 3
_SCOPES = 3
_O_PATH = 0o10000000


def version() -> int:
    """What the kernel offers; 0 when it does not."""
    if sys.platform != "linux":
        return 0
    return max(0, _syscall(_CREATE, None, 0, _VERSION))


def restrict(readable: Iterable[str], writable: Iterable[str], *, tcp: bool) -> bool:
    """Whether it worked; needs `no_new_privs`. Paths that are not there are left out. `tcp`: leave TCP alone."""
    known = version()
    if not known:
        return False
    files = _RIGHTS[min(known, 3)]
    ruleset = _ruleset(known, files, tcp=tcp)
    if ruleset < 0:
        return False
    for path in writable:
        _allow(ruleset, path, files)
    for path in readable:
        _allow(ruleset, path, files & (_READ | _LIST | _EXECUTE))
    done = _syscall(_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _ruleset(known: int, files: int, *, tcp: bool) -> int:
    """From version 4 on there is a word on TCP, from version 6 on one on signals and abstract sockets."""
    words = [files]
    if known >= 4:
        words.append(0 if tcp else _BIND_AND_CONNECT)
    if known >= 6:
        words.append(_SCOPES)
    attributes = struct.pack(f"={len(words)}Q", *words)
    return _syscall(_CREATE, attributes, len(attributes), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        found = os.open(path, _O_PATH | os.O_CLOEXEC)
        try:
            allowed = rights if Path(path).is_dir() else rights & _FILE
            _syscall(_ADD, ruleset, _BENEATH, struct.pack("=Qi", allowed, found), 0)
        finally:
            os.close(found)


def _syscall(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
