"""End a run if a kube-proxy does not write its rules: it runs and is called healthy, but every frontend of it fails.

The usual reason is a kube-proxy that needs an API which this API server does not have, such as discovery/v1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from probes.lifecycle import proxy_facts
from topologies.cluster.api import ClusterError
from topologies.cluster_state.proxy_facts import LAST_SYNC
from topologies.common import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from probes.asking.vantages.base import Prober
    from topologies.cluster_state.proxy_facts import ProxyFacts
    from topologies.schema.topology import Topology

FIRST_SYNC_S = 30.0  # a kube-proxy that was just started writes its rules within a few seconds
KUBECTL = "kubectl -n kube-system logs -l k8s-app=kube-proxy"
TAIL = 256 * 1024  # bytes at the end of a log that are searched
ERROR = re.compile(r"^[EF]\d{4} \S+ +\d+ (?P<text>.*)$", re.MULTILINE)  # klog
NEEDED = re.compile(r"failed to list \*v\w+\.(?:EndpointSlice|Endpoints|Service|Node):")  # kube-proxy waits for these


def wait_for_first_sync(
    topology: Topology,
    found: Iterable[ProxyFacts],
    probers: Mapping[str, Prober],
    progress: Callable[[str], None],
    logs: Path | None = None,
) -> None:
    """Wait until every kube-proxy that was read has written its rules once.

    Args:
        topology: The declared cluster.
        found: What the kube-proxies have reported.
        probers: A vantage on the host network of each node, by node.
        progress: Gets a line if any is late.
        logs: The directory with `<node>.kube-proxy.log`, of a lab.

    Raises:
        ClusterError: One has not after FIRST_SYNC_S, with the last error in its log.

    """
    late = {facts.node: facts for facts in found if facts.has_synced is False}
    if not late:
        return
    progress(f"waiting: kube-proxy of {', '.join(map(topology.full_node_name, late))} has written no rules yet")

    def check() -> str:
        again, _ = proxy_facts.read_proxies({node: probers[node] for node in late})
        synced = set(late) - {facts.node for facts in again if facts.has_synced is False}
        for node in synced:
            del late[node]
        return ", ".join(late)

    try:
        waiting.until(check, waiting.Deadline(FIRST_SYNC_S), "first rules of kube-proxy", every=1.0)
    except waiting.WaitTimeoutError as error:
        raise ClusterError(_message(topology, late, logs)) from error


def _message(topology: Topology, late: Mapping[str, ProxyFacts], logs: Path | None) -> str:
    names = ", ".join(map(topology.full_node_name, late))
    versions = ", ".join(sorted({facts.version or "" for facts in late.values()}))
    metric = f"{LAST_SYNC} at http://127.0.0.1:10249/metrics"
    reason = next(filter(None, (find_last_error(logs, node) for node in late)), "") if logs else ""
    return (
        f"kube-proxy of {names}: got no rules ({metric} has no time), want them {FIRST_SYNC_S:.0f} s after the pods. "
        f"kube-proxy is {versions}, the API server {topology.kubernetes}. "
        + (f"Its last error: {reason}" if reason else f"See its log: {KUBECTL}")
    )


def find_last_error(logs: Path, node: str) -> str:
    """Return the text of the last error in a kube-proxy's log, if possible of a list that it waits for, or ''."""
    try:
        with (logs / f"{node}.kube-proxy.log").open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - TAIL))
            found = ERROR.findall(handle.read().decode(errors="replace"))
    except OSError:
        return ""
    because = [text for text in found if NEEDED.search(text)] or found
    return str(because[-1]) if because else ""
