"""mount(2), umount(2) and sethostname(2) by way of libc: a node makes forty mounts and starts no process for them."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
READ_ONLY = 0x1
REMOUNT = 0x20
BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 0x40000
DETACH = 0x2


def mount(source: str, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system; OSError with the target's name."""
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def bind(source: str | Path, target: str | Path) -> None:
    """The same file or directory at another place."""
    mount(str(source), target, flags=BIND)


def fresh(target: str | Path, *directories: str) -> None:
    """An empty file system in memory, with these directories in it."""
    mount("tmpfs", target, "tmpfs", options="mode=755")
    for directory in directories:
        (Path(target) / directory).mkdir(parents=True)


def shared_memory() -> None:
    """Memory that processes share, as much as there is: a guest kernel keeps all of its own in it."""
    mount("tmpfs", "/dev/shm", "tmpfs", options="mode=1777,size=100%")  # noqa: S108 - a mount point


def proc() -> None:
    """/proc of our own pid namespace."""
    mount("proc", "/proc", "proc")


def sysfs() -> None:
    """/sys of our own network namespace, without the cgroups below it."""
    mount("sysfs", "/sys", "sysfs")


def private() -> None:
    """No mount of ours reaches anybody else."""
    mount("none", "/", flags=RECURSIVE | PRIVATE)


def read_only(target: str = "/") -> None:
    """Our view of a mounted file system can no longer be written to."""
    mount("none", target, flags=REMOUNT | BIND | READ_ONLY)


def clear(target: str) -> None:
    """Take away what is mounted at and below `target`, deepest first, so that nothing stale stays hidden there."""
    for point in reversed(points()):
        if point == target or point.startswith(f"{target}/"):
            LIBC.umount2(point.encode(), DETACH)


def points() -> list[str]:
    """Where something is mounted, in the order it was."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def hostname(name: str) -> None:
    """The host name of our own uts namespace."""
    socket.sethostname(name)
