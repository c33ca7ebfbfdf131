"""The names by which echo pods answer, and the backends that share one. Pure.

An echo pod answers with its host name. That is the pod's own name, except on the host network: there it is the node's,
which need not be the node's name in the API (kubelet's `--hostname-override`, a cloud's DNS name).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology


def backends_by_hostname(topology: Topology, snapshot: Snapshot) -> dict[str, str]:
    """Return the backends on the host network by the host names that they may answer with.

    If a host name was not read, it may be the node's name in the API, with or without its domain, or its alias.
    """
    found: dict[str, str] = {}
    for backend in topology.workload.backends:
        if not backend.host_network:
            continue
        node = topology.node(backend.node)
        assumed = (node.api_name, node.api_name.partition(".")[0], node.name)
        read = snapshot.hostnames.get(backend.name)
        found |= dict.fromkeys([read] if read else assumed, backend.name)
    return found


def shared_hostnames(topology: Topology, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield (backend, reason) for each backend on the host network whose answers do not identify it."""
    names = [snapshot.hostnames.get(one.name, one.name) for one in topology.workload.backends]
    times = Counter(names)
    for backend, name in zip(topology.workload.backends, names, strict=True):
        if backend.host_network and times[name] > 1:
            yield backend.name, f"declared backend {backend.name} answers as {name}, and so does another backend"
