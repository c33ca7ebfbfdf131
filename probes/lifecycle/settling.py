"""Wait until a run may probe: earlier runs have ended, pods are Ready, Services and load balancers have settled.

Each wait has a limit. What has not settled by then becomes a note, and the cells are probed all the same. If nothing
can be probed, ClusterError is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.cluster.api import ClusterError
from topologies.cluster.proxy_barrier import Settled
from topologies.cluster.terminating_pods import delete_backends
from topologies.common import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from topologies.cluster.client import Cluster
    from topologies.cluster.lb_targets import TargetPool
    from topologies.cluster.run_namespaces import Lease

EARLIER_S = 300.0  # an earlier run of the same cluster is waited for; a matrix takes minutes at most
_Step = tuple[str, "Callable[[], str]", float]  # what, what it lacks, seconds beside the usual


def take_turn(cluster: Cluster, lease: Lease, settle_s: float, progress: Callable[[str], None]) -> tuple[str, ...]:
    """Create the namespace, then wait until no earlier run asks or is being removed; notes on what did not end."""
    cluster.claim()
    notes = tuple(filter(None, [lease.hold()]))
    cluster.created = cluster.created or lease.created
    wait_for_earlier(cluster, progress)
    late = wait((("the end of earlier runs", cluster.others.alone, 0.0),), settle_s, progress)
    if reason := cluster.others.taken():
        command = f"hairpin clean{f' --namespace {cluster.namespace}' if cluster.given else ''}"
        message = f"{reason}: they may answer in place of this run's. Remove it first: {command}"
        raise ClusterError(message)
    return (*notes, *late)


def wait_for_earlier(cluster: Cluster, progress: Callable[[str], None]) -> None:
    """Wait until every earlier run has ended; ClusterError after EARLIER_S."""
    if reason := cluster.others.earlier():
        progress(f"waiting: {reason}")
        try:
            waiting.until(cluster.others.earlier, waiting.Deadline(EARLIER_S), "the end of earlier runs", every=1.0)
        except waiting.WaitTimeoutError as error:
            message = f"{error}. Run again after its end, or look with: hairpin clean --list"
            raise ClusterError(message) from error


def wait_for_pods(
    cluster: Cluster, settle_s: float, progress: Callable[[str], None]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Wait until every pod is Ready or never will be; notes, and the names of those that never will be."""
    late = wait((("pods", cluster.running, 0.0),), settle_s, progress)
    lost = [state for state in cluster.pods() if state.terminal]
    for state in lost:
        progress(f"not settled: {state}")
    return (*late, *map(str, lost)), frozenset(state.name for state in lost)


def terminate(
    cluster: Cluster, lost: frozenset[str], settle_s: float, progress: Callable[[str], None]
) -> tuple[str, ...]:
    """Delete the backends that are declared terminating, once they are endpoints of their Services; return notes."""
    names = {one.name for one in cluster.topology.terminating_backends} - lost - set(cluster.refused)
    if not names:
        return ()
    late = wait((("the endpoints that will terminate", lambda: cluster.unlisted(names), 0.0),), settle_s, progress)
    progress(f"deleting {', '.join(sorted(names))}, which serve until the run ends")
    delete_backends(cluster, names)
    return late


def settle(
    cluster: Cluster, lost: frozenset[str], settle_s: float, balancer_s: float, progress: Callable[[str], None]
) -> tuple[str, ...]:
    """Wait on the API's own state; return notes on what has not settled. The cells are probed all the same."""
    pools = pools_late(cluster.pools, balancer_s)
    steps = (
        ("endpoints and addresses", cluster.ready, 0.0),
        ("kube-proxy on every node", Settled(cluster, lost=lost), 0.0),
        ("the load balancer's pools", pools, balancer_s),
    )
    return wait(steps, settle_s, progress)


def wait(steps: Iterable[_Step], settle_s: float, progress: Callable[[str], None]) -> tuple[str, ...]:
    """Wait for each step in turn; return a note on each that has not ended when its time is up."""
    notes = []
    for what, check, more in steps:
        progress(f"settling: {what}")
        try:
            waiting.until(check, waiting.Deadline(settle_s + more), what)
        except waiting.WaitTimeoutError as error:
            notes.append(str(error))
            progress(f"not settled: {error}")
    return tuple(notes)


def pools_late(look: Callable[[], tuple[TargetPool, ...]], seconds: float) -> Callable[[], str]:
    """Return a check whose result is empty once every load balancer sends to the healthy nodes.

    A load balancer that reports its pool (our lab's does) is believed. The others show nothing inside the cluster: they
    count as settled once the health that they check has been the same for `seconds`.
    """
    unchanged = waiting.Unchanged()

    def check() -> str:
        pools = look()
        if late := "; ".join(pool.lag for pool in pools if pool.lag):
            return late
        silent = [pool.service for pool in pools if pool.reported is None]
        if not silent or (same := unchanged.seconds(pools)) >= seconds:
            return ""
        return f"the balancer of {', '.join(silent)} does not report its pool, and has had {same:.0f} of {seconds:g} s"

    return check
