"""What a lab could leave behind on the machine, so that before and after can be compared."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from threading import Event, Thread

from topologies.common.subprocesses import ProcessError, run

# What changes by itself while we look.
RESTLESS = ("random", "pty.nr", "nr_", "-nr ", "_count", "-state", "quota", "ns_last_pid", "sched_")


def traces(lab: str) -> dict[str, set[str]]:
    """Links, namespaces and processes of the lab, mounts, cgroups, sysctls and rules: each a set of lines."""
    return {
        "links": {line.split(": ")[1] for line in run(["ip", "-o", "link"]).splitlines()},
        "routes": set(run(["ip", "route"]).splitlines()),
        "namespaces": set(run(["ip", "netns"]).splitlines()),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "cgroups": {top for top, *_ in os.walk("/sys/fs/cgroup") if f"/hairpin-{lab}-" in top},
        "processes": set(processes(lab)),
        "sysctls": set(sysctls()),
        "rules": set(rules()),
    }


def changes(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, list[str]]:
    """Every line that came or went, by kind; nothing if the machine is as before."""
    return {kind: sorted(after[kind] ^ lines) for kind, lines in before.items() if after[kind] != lines}


def processes(lab: str) -> list[str]:
    """The command lines of every process that was started for this lab, our own apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/labs/{lab}" in line and path.name != str(os.getpid()):
            found.append(line)
    return found


def pids(lab: str, program: str) -> list[int]:
    """The pids of a lab's processes that run this program, found in the lab's cgroups, as far as it still has them."""
    found = []
    for pid in {pid for top, *_ in os.walk("/sys/fs/cgroup") if f"/hairpin-{lab}-" in top for pid in members(top)}:
        with suppress(OSError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/comm").read_text().strip() == program[:15]:
                found.append(int(pid))
    return found


def members(cgroup: str) -> list[str]:
    """The pids in a cgroup; none if it has gone meanwhile."""
    with suppress(OSError):
        return Path(cgroup, "cgroup.procs").read_text().split()
    return []


def sysctls() -> list[str]:
    """Every sysctl that keeps still."""
    lines = run(["/usr/sbin/sysctl", "--all", "--ignore"]).splitlines()
    return [line for line in lines if not any(word in line for word in RESTLESS)]


def rules() -> list[str]:
    """iptables and nft, without comments and counters."""
    lines: list[str] = []
    for command in (["iptables-save"], ["iptables-legacy-save"], ["nft", "list", "ruleset"]):
        try:
            lines += [line.split(" [")[0] for line in run(command).splitlines() if not line.startswith("#")]
        except ProcessError:
            continue
    return lines


LAB_RANGES = tuple(map(IPv4Network, ("198.18.0.0/15", "10.244.0.0/16", "10.96.0.0/16")))
EVERY_PROTOCOL = 0x0003


class Sniffer:
    """Listens on every link of the machine and keeps the packets that belong to a lab; there must be none."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL))
        self._socket.settimeout(0.2)
        self._ended = Event()
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> list[str]:
        """Stop; what was seen."""
        self._ended.set()
        self._thread.join()
        self._socket.close()
        return self.seen

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet, (link, *_) = self._socket.recvfrom(64)
            except TimeoutError:
                continue
            if len(packet) >= 20 and packet[0] >> 4 == 4:
                ends = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
                if any(end in network for end in ends for network in LAB_RANGES):
                    self.seen.append(f"{link}: {ends[0]} -> {ends[1]}")
