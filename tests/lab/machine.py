"""What a lab could leave behind on the machine, so that before and after can be compared."""

from __future__ import annotations

import os
from pathlib import Path

from topologies.lab.processes import ProcessError, run

# What changes by itself while we look.
RESTLESS = ("random", "nr_", "-nr ", "_count", "-state", "quota", "ns_last_pid", "sched_")


def traces(lab: str) -> dict[str, set[str]]:
    """Links, namespaces and processes of the lab, mounts, cgroups, sysctls and rules: each a set of lines."""
    return {
        "links": {line.split(": ")[1] for line in run(["ip", "-o", "link"]).splitlines()},
        "routes": set(run(["ip", "route"]).splitlines()),
        "namespaces": set(run(["ip", "netns"]).splitlines()),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "cgroups": {str(path) for path in Path("/sys/fs/cgroup").rglob(f"hairpin-{lab}")},
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
