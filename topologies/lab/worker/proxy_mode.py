"""Whether every kube-proxy does what was declared: one that finds no IPVS writes iptables rules and says so in its log.

Errors: processes.ProcessError.
Source: `/proxyMode` of the metrics server, `cmd/kube-proxy/app/server.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import urlopen

from topologies.common.subprocesses import ProcessError
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.network import netns

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

MODE = "http://127.0.0.1:10249/proxyMode"


def await_mode(topology: Topology) -> None:
    """Until every node's kube-proxy tells its mode; ProcessError if it is not the topology's."""
    for node in topology.nodes:
        with netns.inside(node.name):
            until(
                unmet(_mode, f"no answer at {MODE}"),
                Deadline(TIMEOUTS.proxy_mode_s),
                f"mode of kube-proxy of {node.name}",
                every=0.05,
            )
            told = _mode()
        if told != topology.proxy.mode.value:
            message = f"kube-proxy of {node.name} took mode {told}, the topology declares {topology.proxy.mode}"
            raise ProcessError(message)


def _mode() -> str:
    try:
        with urlopen(MODE, timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
