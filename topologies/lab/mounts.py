"""Call mount(2), umount2(2) and sethostname(2) in libc: a node makes forty mounts and starts no process for them."""

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
    """Mount a file system; an OSError has the target's name."""
    if LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def bind_mount(source: str | Path, target: str | Path) -> None:
    """Mount a file or directory at another place."""
    mount(str(source), target, flags=BIND)


def mount_tmpfs(target: str | Path, *directories: str) -> None:
    """Mount an empty file system in memory and create these directories in it."""
    mount("tmpfs", target, "tmpfs", options="mode=755")
    for directory in directories:
        (Path(target) / directory).mkdir(parents=True)


def mount_shared_memory() -> None:
    """Mount /dev/shm without a limit: a guest kernel keeps all of its memory there."""
    mount("tmpfs", "/dev/shm", "tmpfs", options="mode=1777,size=100%")  # noqa: S108 - a mount point


def mount_proc() -> None:
    """Mount /proc of our pid namespace."""
    mount("proc", "/proc", "proc")


def mount_sysfs() -> None:
    """Mount /sys of our network namespace, without the cgroups below it."""
    mount("sysfs", "/sys", "sysfs")


def make_mounts_private() -> None:
    """Make all mounts private: none of ours propagates to another mount namespace."""
    mount("none", "/", flags=RECURSIVE | PRIVATE)


def remount_read_only(target: str = "/") -> None:
    """Remount a file system read-only, in our mount namespace."""
    mount("none", target, flags=REMOUNT | BIND | READ_ONLY)


def unmount_all(target: str) -> None:
    """Unmount everything at and below `target`, deepest first, so that no stale mount stays hidden there."""
    for point in reversed(list_mount_points()):
        if point == target or point.startswith(f"{target}/"):
            LIBC.umount2(point.encode(), DETACH)


def list_mount_points() -> list[str]:
    """Return the mount points, in the order in which they were mounted."""
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def set_hostname(name: str) -> None:
    """Set the host name of our UTS namespace."""
    socket.sethostname(name)
