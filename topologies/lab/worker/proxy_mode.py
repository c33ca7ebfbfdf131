"""Check that every kube-proxy runs in the declared mode: without IPVS it falls back to iptables with a log line.

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
    """Wait until every node's kube-proxy reports its mode. Another data plane has none.

    Raises:
        ProcessError: It is not the topology's.
        WaitTimeoutError: It does not report one.

    """
    for node in topology.nodes if topology.proxy.is_kube_proxy else ():
        with netns.inside(node.name):
            until(
                unmet(_mode, f"no answer at {MODE}"),
                Deadline(TIMEOUTS.proxy_mode_s),
                f"mode of kube-proxy of {node.name}",
                every=0.05,
            )
            mode = _mode()
        wanted = topology.proxy_of(node.name).mode
        if mode != wanted.value:
            message = f"mode of kube-proxy of {node.name}: got {mode}, want {wanted} as declared"
            raise ProcessError(message)


def _mode() -> str:
    try:
        with urlopen(MODE, timeout=2) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
