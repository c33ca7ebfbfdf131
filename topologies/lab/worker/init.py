"""The first process of a worker: mounts its file systems, starts its daemons, and reaps orphans.

    python -m topologies.lab.worker.init STATE NODE      in new mount, uts, ipc, pid and cgroup namespaces

Standard library only: a node must start in tens of milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from topologies.common.subprocesses import Child, ProcessError, reap_forever, run, spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import mounts
from topologies.lab.state import State, read, write
from topologies.lab.worker import fake_docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

# The kubelet writes these sysctls of the whole machine, unless their files already have the right values.
GLOBAL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
LEGACY = ("/usr/sbin/xtables-legacy-multi", "/usr/sbin/xtables-nft-multi")
IPVS_ESTIMATES = Path("/proc/sys/net/ipv4/vs/run_estimation")  # rates for `ipvsadm --rate`, at 25 wake-ups a second


def main(root: str, name: str) -> None:
    """Start the worker's daemons and reap for ever."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    state = State(Path(root))
    plan = read(state.node(name) / "plan.json")
    (state.node(name) / "pid").write_text(str(Path("/proc/self").readlink()))  # /proc is still the one of the sandbox
    furnish(state, plan)
    if plan["iptables"]:
        run(["iptables-restore", "-n"], stdin=plan["iptables"])
    if plan["docker"]:
        Thread(target=fake_docker.serve, args=(plan["docker"],), daemon=True).start()
    reap(state, name, start(state, plan))


def furnish(state: State, plan: dict[str, Any]) -> None:
    """Mount /proc, /sys with the cgroups, and empty /run, /var/lib and /var/log of the worker's own."""
    mounts.set_hostname(plan["name"])
    mounts.mount_proc()
    for stale in ("/sys", "/run"):
        mounts.unmount_all(stale)
    mounts.mount_sysfs()
    groups(plan["hierarchies"])
    mounts.mount_tmpfs("/run", "lock", "sysctl", "tmp", "sshd")
    Path("/run/tmp").chmod(0o1777)
    mounts.mount_tmpfs("/var/lib", "kubelet", "containerd", "cni")
    mounts.mount_tmpfs("/var/log", "pods", "containers")
    mounts.bind_mount(state.containerd(plan["name"]), "/var/lib/containerd")
    for key, value in GLOBAL.items():
        written, real = Path("/run/sysctl", key.replace("/", "_")), Path("/proc/sys", key)
        written.write_text(f"{value}\n")
        if real.exists():
            mounts.bind_mount(written, real)
    cover("/proc/cpuinfo", processors)
    cover("/proc/modules", lambda loaded: modules(loaded, plan["modules"]))
    if IPVS_ESTIMATES.exists():
        IPVS_ESTIMATES.write_text("0")
    if plan["legacy"]:
        mounts.bind_mount(*LEGACY)
    Path("/run/resolv.conf").touch()


def cover(path: str, change: Callable[[str], str]) -> None:
    """Mount a changed text over one of the kernel's files, if that exists."""
    if not Path(path).exists():
        return
    original = Path(path).read_text()
    if (text := change(original)) != original:
        written = Path("/run/sysctl", path.rsplit("/", 1)[1])
        written.write_text(text)
        mounts.bind_mount(written, path)


def processors(text: str) -> str:
    """Return the text of /proc/cpuinfo with a clock rate: cAdvisor requires one, user-mode Linux has none."""
    return text if "cpu MHz" in text else text.replace("model name", "cpu MHz\t\t: 1000.000\nmodel name")


def modules(text: str, built_in: list[str]) -> str:
    """Return the text of /proc/modules with these modules added.

    Without /lib/modules/*/modules.builtin kube-proxy does not find modules that are built into the kernel, and falls
    back to iptables. guest/ipvs_support.py has checked that the kernel has them.
    """
    listed = {line.split(" ", 1)[0] for line in text.splitlines()}
    return text + "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in built_in if name not in listed)


def groups(hierarchies: list[list[str]]) -> None:
    """Mount the cgroups as this node's cgroup namespace shows them: the kubelet sees itself at the root."""
    if hierarchies and not hierarchies[0][1]:
        mounts.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
        own = Path("/sys/fs/cgroup")
        for controller in (own / "cgroup.controllers").read_text().split():
            (own / "cgroup.subtree_control").write_text(f"+{controller}")
        return
    mounts.mount_tmpfs("/sys/fs/cgroup", *(name for name, _ in hierarchies))
    for name, options in hierarchies:
        mounts.mount("cgroup", f"/sys/fs/cgroup/{name}", "cgroup", options=options)


def start(state: State, plan: dict[str, Any]) -> dict[str, Child]:
    """Start the daemons in order, each after the files it awaits; write their pids to `daemons.json`."""
    started: dict[str, Child] = {}  # kept: subprocess reaps a Popen without a reference
    for daemon in plan["daemons"]:
        for path in daemon.get("awaits", ()):
            until(unmet(Path(path).exists), Deadline(TIMEOUTS.worker_files_s), path, every=0.05)
        env = {**os.environ, **daemon["env"], "TMPDIR": "/run/tmp"}
        started[daemon["name"]] = spawn(daemon["argv"], state.log(plan["name"], daemon["name"]), env=env)
        pids = {name: child.pid for name, child in started.items()}
        write(state.node(plan["name"]) / "daemons.json", pids)
    return started


def reap(state: State, name: str, daemons: dict[str, Child]) -> NoReturn:
    """Reap children and orphans for ever. If a daemon ends before the lab is ready, the lab has failed to start."""
    names = {child.pid: daemon for daemon, child in daemons.items()}

    def report(pid: int, exit_code: int) -> None:
        message = f"{names.get(pid, pid)} of {name} ended with {exit_code}"
        print(message, flush=True)  # noqa: T201 - our log
        if pid in names and not state.ready.exists():
            write(state.failed, {"message": message})

    reap_forever(report)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, ProcessError) as error:
        write(State(Path(sys.argv[1])).failed, {"message": f"init of {sys.argv[2]} ended: {error}"})
        sys.exit(f"{sys.argv[2]}: {error}")
