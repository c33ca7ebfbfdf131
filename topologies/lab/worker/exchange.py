"""Exchange the kube-proxy of one worker of a running lab: stop, clean up, start another, wait until it has synced.

What runs afterwards is in `daemons.json` and `kube-proxy.json` as before, and the lab's topology has its new
declaration. A lab with a guest kernel is refused.

Source of the sync's time stamp: pkg/proxy/metrics, `sync_proxy_rules_last_timestamp_seconds`; `/healthz` is true before
the first sync, too (pkg/proxy/healthcheck/proxier_health.go).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, enter_cgroups, run, tail
from topologies.common.waiting import Deadline, until
from topologies.lab import cgroups
from topologies.lab.component_config import proxy_config
from topologies.lab.state import read, write
from topologies.lab.worker.proxy_mode import MODE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topologies.lab.sandbox import Sandbox
    from topologies.schema.network import Proxy
    from topologies.schema.topology import Topology

DAEMON = "kube-proxy"
METRICS = "http://127.0.0.1:10249/metrics"
HEALTH = "http://127.0.0.1:10256/healthz"
SYNCED = re.compile(
    r'^kubeproxy_sync_proxy_rules_last_timestamp_seconds(?:\{[^}]*"IPv4"[^}]*\})? ([0-9.e+]+)$', re.MULTILINE
)
STOP_S = 20.0
CLEANUP_S = 60.0
SYNC_S = 60.0
ASK_EVERY_S = 0.05
STOP = (
    f'[ "$(cat /proc/$0/comm)" = {DAEMON} ] || exit 3; kill -TERM $0; while kill -0 $0 2>/dev/null; do sleep 0.02; done'
)
START = 'log=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'
ASK = (
    f"curl -s --max-time 2 {MODE}; echo; curl -s -f -o /dev/null --max-time 2 {HEALTH} && echo healthy; "
    f"curl -s --max-time 2 {METRICS}"
)


@dataclass(frozen=True, slots=True)
class ProxyOfNode:
    """The kube-proxy of one worker, reached from outside the worker."""

    sandbox: Sandbox
    node: str

    def stop(self) -> None:
        """Send SIGTERM to the kube-proxy that the lab started, and wait until it has ended.

        Raises:
            ProcessError: It does not run, or did not end.

        """
        pid = str(self._pids().get(DAEMON, ""))
        try:
            self._run(["sh", "-c", STOP, pid or "0"], STOP_S)
        except ProcessError as error:
            message = f"stop of {DAEMON} of {self.node}: pid {pid or 'unknown'}: {error}. See {self._log}"
            raise ProcessError(message) from error

    def clean_up(self, program: Path) -> str:
        """Run `kube-proxy --cleanup` in the worker's namespaces. Return its error, empty if it has none."""
        try:
            self._run([str(program), "--cleanup"], CLEANUP_S)
        except ProcessError as error:
            return str(error).partition("--cleanup` ")[2] or str(error)
        return ""

    def start(self, program: Path, topology: Topology) -> None:
        """Write the configuration of this worker's kube-proxy in a topology, and start it as a daemon of the lab.

        Raises:
            ProcessError: It could not be started.
            VersionError: The version does not have a declared feature.

        """
        state = self.sandbox.state
        own = state.node(self.node)
        version, node = topology.proxy_version_of(self.node), topology.node(self.node)
        (own / "kube-proxy.json").write_text(
            json.dumps(proxy_config(version, topology, node, f"{state.kube}/proxy.conf"), indent=1)
        )
        argv = self._plan(program)
        inside = self.sandbox.enter_command(self.node, ["sh", "-c", START, "sh", str(self._log), *argv])
        groups = [Path(base) / self.node for base in read(state.record)["cgroups"]]
        pid = run(enter_cgroups(cgroups.inner(groups) or groups, inside))
        write(own / "daemons.json", {**self._pids(), DAEMON: int(pid)})
        record = read(state.record)
        started = {self.node: [str(program), str(version)]}
        write(state.record, {**record, "proxies": {**record.get("proxies", {}), **started}})

    def _plan(self, program: Path) -> list[str]:
        """Return the command of the new kube-proxy, which becomes the one in the worker's plan."""
        path = self.sandbox.state.node(self.node) / "plan.json"
        plan = read(path)
        daemon = next(one for one in plan["daemons"] if one["name"] == DAEMON)
        daemon["argv"] = [str(program), *daemon["argv"][1:]]
        write(path, plan)
        return list(daemon["argv"])

    @property
    def program(self) -> Path:
        """The program of the kube-proxy that the lab started last."""
        plan = read(self.sandbox.state.node(self.node) / "plan.json")
        return Path(next(one["argv"][0] for one in plan["daemons"] if one["name"] == DAEMON))

    def await_synced(self, mode: str) -> None:
        """Wait until it runs in this mode, is healthy, and has written its rules once.

        Raises:
            ProcessError: It has ended. The message ends with its log.
            WaitTimeoutError: It has not synced in SYNC_S.

        """
        what = f"sync of {DAEMON} of {self.node} (log: {self._log})"
        until(lambda: self._missing(mode), Deadline(SYNC_S), what, every=ASK_EVERY_S)

    def _missing(self, mode: str) -> str:
        """Return what is missing until it has synced; empty if nothing is."""
        try:
            answer = self._run(["sh", "-c", ASK], 10)
        except ProcessError as error:
            return str(error)
        if complaint := complain(answer, mode):
            pid = self._pids()[DAEMON]
            if not self._lives(pid):
                message = f"{DAEMON} of {self.node}: pid {pid} has ended before it has synced:\n{tail(self._log)}"
                raise ProcessError(message)
        return complaint

    def _lives(self, pid: int) -> bool:
        try:
            self._run(["kill", "-0", str(pid)], 10)
        except ProcessError:
            return False
        return True

    def _run(self, argv: Sequence[str], timeout_s: float) -> str:
        return run(self.sandbox.enter_command(self.node, argv), timeout=timeout_s)

    def _pids(self) -> dict[str, int]:
        return dict(read(self.sandbox.state.node(self.node) / "daemons.json") or {})

    @property
    def _log(self) -> Path:
        return self.sandbox.state.log(self.node, DAEMON)


def complain(answer: str, mode: str) -> str:
    """Return why the answers to ASK do not show a kube-proxy that has synced in this mode; empty if they do."""
    reported, _, rest = answer.partition("\n")
    if reported != mode:
        return f"mode: got {reported or 'no answer'} at {MODE}, want {mode}"
    if not rest.startswith("healthy\n"):
        return f"health: got no success at {HEALTH}, want it"
    stamps = [float(stamp) for stamp in SYNCED.findall(rest)]
    return "" if any(stamps) else f"sync: got no time of a sync at {METRICS}, want one"


def mix_proxies(before: Topology, after: Topology, exchanged: Sequence[str]) -> Topology:
    """Return the topology of a rollout: `before`, in which these nodes have the kube-proxy of `after`.

    With all nodes exchanged it is `after`.
    """
    if set(exchanged) == {node.name for node in before.nodes}:
        return after
    nodes = tuple(
        node.model_copy(update={"proxy": _whole(after, node.name)})
        if node.name in exchanged and _whole(before, node.name) != _whole(after, node.name)
        else node
        for node in before.nodes
    )
    return before.model_copy(update={"nodes": nodes})


def _whole(topology: Topology, node: str) -> Proxy:
    """Return the kube-proxy of a node with every key and its version written out."""
    proxy = topology.proxy_of(node)
    given = {**proxy.model_dump(exclude={"version"}), "version": topology.proxy_version_of(node)}
    return type(proxy).model_validate(given)
