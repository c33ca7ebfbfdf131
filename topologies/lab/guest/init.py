"""The guest's first process: mounts what a machine has, then runs the commands that come over its one line.

    init=PYTHON -- -m topologies.lab.guest.init STATE      on the kernel's command line

Standard library only. When this process ends, the guest ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tty
from pathlib import Path

from topologies.lab import mounts
from topologies.lab.guest.client import INSIDE
from topologies.lab.guest.serving import Server

LINE = "/dev/ttyS0"
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
# All hosts share the guest's one processor, hence one backlog: a burst of a thousand packets is lost by the default.
SYSCTLS = {"net/core/netdev_max_backlog": "100000", "kernel/printk": "4"}


def main(state: str) -> None:
    """Returns, and with it the guest ends, when nobody is at the other end of the line any more."""
    furnish(Path(state))
    line = os.open(LINE, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(line)
    Server(line).serve()


def furnish(state: Path) -> None:
    """The kernel's file systems and those in memory over the machine's own, cgroups, the state directory's inside."""
    mounts.proc()
    mounts.sysfs()
    mounts.mount("dev", "/dev", "devtmpfs")
    for name in ("pts", "shm"):
        (Path("/dev") / name).mkdir(exist_ok=True)
    mounts.mount("devpts", "/dev/pts", "devpts", options="ptmxmode=666")
    mounts.fresh("/dev/shm")  # noqa: S108 - a mount point
    for name, target in LINKS.items():
        (Path("/dev") / name).symlink_to(target)
    mounts.fresh("/run", "tmp", "lock", "netns")
    mounts.fresh(state / INSIDE)
    cgroups()
    for name, value in SYSCTLS.items():
        Path("/proc/sys", name).write_text(value)
    socket.sethostname("guest")
    subprocess.run(["/sbin/ip", "link", "set", "lo", "up"], check=True)


def cgroups() -> None:
    """Version 2, ourselves in a group of our own, so that the root may hand its controllers on."""
    root = Path("/sys/fs/cgroup")
    mounts.mount("cgroup2", root, "cgroup2")
    (root / "init").mkdir()
    (root / "init" / "cgroup.procs").write_text("1")
    for controller in (root / "cgroup.controllers").read_text().split():
        (root / "cgroup.subtree_control").write_text(f"+{controller}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1])  # what follows is the kernel's own: it appends root= and console= to its command line
