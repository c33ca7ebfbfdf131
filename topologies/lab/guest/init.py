"""The guest's first process: mounts a machine's file systems, creates the workers (making.py), then reaps for ever.

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
from topologies.lab.state import State, record_failure

LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
SYSCTLS = {
    # All hosts share the guest's one processor and its backlog: by default a burst of a thousand packets is lost.
    "net/core/netdev_max_backlog": "100000",
    "kernel/printk": "4",
    # Logs of daemons reach the machine's files a second later.
    "vm/dirty_writeback_centisecs": "50",
    "vm/dirty_expire_centisecs": "50",
}


def main(root: str) -> None:
    """Create the workers of the lab in this state directory; never return."""
    state = State(Path(root))
    with record_failure(state):
        furnish(state)
        from topologies.lab.guest.making import make  # noqa: PLC0415 - pyroute2 reads /proc when it is imported

        make(state)
    reap_forever(print_end)


def furnish(state: State) -> None:
    """Mount the kernel's file systems, those in memory, cgroups, and one for the containers' roots; set sysctls."""
    mounts.mount_proc()
    mounts.mount_sysfs()
    mounts.mount("dev", "/dev", "devtmpfs")
    for name in ("pts", "shm"):
        (Path("/dev") / name).mkdir(exist_ok=True)
    mounts.mount("devpts", "/dev/pts", "devpts", options="ptmxmode=666")
    mounts.mount_shared_memory()
    for name, target in LINKS.items():
        (Path("/dev") / name).symlink_to(target)
    mounts.mount_tmpfs("/run", "tmp", "lock", "netns")
    os.environ["TMPDIR"] = "/run/tmp"
    state.containers.mkdir(exist_ok=True)
    mounts.mount_tmpfs(state.containers)
    mount_cgroups()
    for name, value in SYSCTLS.items():
        Path("/proc/sys", name).write_text(value)
    socket.sethostname("guest")


def mount_cgroups() -> None:
    """Mount cgroup v2 and move this process to a group of its own, so that the root can enable its controllers."""
    root = UNIFIED.mounted
    mounts.mount("cgroup2", root, "cgroup2")
    (root / "init").mkdir()
    (root / "init" / "cgroup.procs").write_text("1")
    for controller in (root / "cgroup.controllers").read_text().split():
        (root / "cgroup.subtree_control").write_text(f"+{controller}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1])  # the kernel appends root= and console= to the arguments
