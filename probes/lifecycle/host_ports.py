"""Find free ports for echo pods on the host network: the declared port is a wish.

No API lists the ports that a node's own processes use, so a pod is the probe: kubelet or the scheduler refuses it, or
it ends with "address already in use". Then all backends of its app are created anew at another port, because a Service
has one target port. Services are created afterwards, at the ports found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.lifecycle.settling import wait_for_pods
from topologies.cluster.api import ClusterError
from topologies.cluster.pods import move_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from topologies.cluster.client import Cluster

STEPS = (1011, 3023, 5039, 7057, 9067)  # from the declared port; no multiples, and no pair of neighbours
LOWEST, BEYOND = 1024, 30000  # NodePorts begin there, and the kernel's own client ports above them
Waited = tuple[tuple[str, ...], frozenset[str]]


def candidates(port: int) -> Iterator[int]:
    """Yield other ports below the NodePorts, the same ones each time."""
    for step in STEPS:
        yield LOWEST + (port - LOWEST + step) % (BEYOND - 1 - LOWEST)


def wait_at_free_ports(cluster: Cluster, settle_s: float, progress: Callable[[str], None]) -> Waited:
    """Wait for the pods as `settling.wait_for_pods`, and move backends to other ports until they find a free one."""
    options = {one.app: candidates(one.port) for one in cluster.topology.workload.backends if one.host_network}
    notes: tuple[str, ...] = ()
    while True:
        late, lost = wait_for_pods(cluster, settle_s, progress)
        apps = {app: port for app in _blocked(cluster) if (port := next(options.get(app, iter(())), None))}
        if not apps:
            return (*notes, *late), lost
        for app, port in apps.items():
            note = f"the host port of app {app} is taken on a node: its backends listen on {port} instead"
            progress(note)
            try:
                move_backends(cluster, app, port)
            except ClusterError as error:
                return (*notes, *late, f"{note}: failed: {error}"), lost
            notes = (*(one for one in notes if f" app {app} " not in one), note)


def _blocked(cluster: Cluster) -> list[str]:
    """Return the apps of backends whose port is taken."""
    backends = cluster.topology.workload.backends_by_name
    taken = [state.name for state in cluster.pods() if state.port_taken and state.name in backends]
    return list(dict.fromkeys(backends[name].app for name in taken if backends[name].host_network))
