"""The guest's first process: mounts what a machine has, lets `making.py` make the workers, then reaps for ever.

    init=PYTHON -- -m topologies.lab.guest.init STATE      on the kernel's command line

When this process ends, the guest ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from topologies.common.subprocesses import print_end, reap_forever
from topologies.lab import mounts
from topologies.lab.cgroups import UNIFIED
from topologies.lab.state import State, told

LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
SYSCTLS = {
    # All hosts share the guest's one processor, hence one backlog: a burst of a thousand packets is lost by default.
    "net/core/netdev_max_backlog": "100000",
    "kernel/printk": "4",
    # What daemons write to their logs is in the machine's files a second later.
    "vm/dirty_writeback_centisecs": "50",
    "vm/dirty_expire_centisecs": "50",
}


def main(root: str) -> None:
    """Never returns."""
    state = State(Path(root))
    with told(state):
        furnish(state)
        from topologies.lab.guest.making import make  # noqa: PLC0415 - pyroute2 reads /proc when it is imported

        make(state)
    reap_forever(print_end)


def furnish(state: State) -> None:
    """The kernel's file systems and those in memory over the machine's own, cgroups, the containers' roots."""
    mounts.proc()
    mounts.sysfs()
    mounts.mount("dev", "/dev", "devtmpfs")
    for name in ("pts", "shm"):
        (Path("/dev") / name).mkdir(exist_ok=True)
    mounts.mount("devpts", "/dev/pts", "devpts", options="ptmxmode=666")
    mounts.shared_memory()
    for name, target in LINKS.items():
        (Path("/dev") / name).symlink_to(target)
    mounts.fresh("/run", "tmp", "lock", "netns")
    os.environ["TMPDIR"] = "/run/tmp"
    state.containers.mkdir(exist_ok=True)
    mounts.fresh(state.containers)
    hierarchy()
    for name, value in SYSCTLS.items():
        Path("/proc/sys", name).write_text(value)
    socket.sethostname("guest")


def hierarchy() -> None:
    """Control groups, version 2; ourselves in one of our own, so that the root may hand its controllers on."""
    root = UNIFIED.mounted
    mounts.mount("cgroup2", root, "cgroup2")
    (root / "init").mkdir()
    (root / "init" / "cgroup.procs").write_text("1")
    for controller in (root / "cgroup.controllers").read_text().split():
        (root / "cgroup.subtree_control").write_text(f"+{controller}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1])  # what follows is the kernel's own: it appends root= and console= to its command line
