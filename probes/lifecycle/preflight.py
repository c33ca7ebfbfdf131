"""Preflight: end a run whose topology contradicts the cluster before anything is asked, and collect what is real.

`check_cluster` comes before anything is deployed, so that a wrong node name or version costs a second; `check_nodes`
when the pods run, since a kube-proxy is read from a pod on its node's network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.lifecycle import contradictions, first_sync, proxy_facts
from topologies.cluster.client import Cluster, ClusterError
from topologies.cluster.inventory import read_real_cluster
from topologies.cluster_state.balancer_nodes import find_other_nodes
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from probes.asking.vantages.base import Prober
    from probes.lifecycle.contradictions import ClusterComparison
    from topologies.cluster_state.node_versions import NodeVersions
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology, Vantage


@dataclass(frozen=True)
class Real:
    """The versions and settings that the cluster reports, and notes on what is odd or could not be read.

    `nodes`: the versions of each node, by its declared name, or by the API's if it is not declared.
    """

    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    nodes: dict[str, NodeVersions] = field(default_factory=dict)


def refuse_new_namespace(topology: Topology, namespace: str | None) -> None:
    """Raise ClusterError if pods need objects that a namespace of the run's own does not have."""
    pods = topology.pods
    secrets = ", ".join(pods.image_pull_secrets)
    for key, value in (("image_pull_secrets", secrets), ("service_account", pods.service_account)):
        if value and namespace is None:
            message = (
                f"pods.{key} of topology {topology.name}: got {value}, which a run's own new namespace does not have, "
                "want a namespace that has it. Give it with --namespace=NS"
            )
            raise ClusterError(message)


def check_cluster(cluster: Cluster, progress: Callable[[str], None]) -> Real:
    """Compare the topology with the API; ClusterError names every contradiction, or that the API is down."""
    progress("comparing the topology with the cluster")
    real = read_real_cluster(cluster)
    cluster.other_nodes = find_other_nodes(cluster.topology, real)
    nodes = {cluster.topology.node_name_of(node.name): node.versions for node in real.nodes}
    return Real(real.versions, _checked(contradictions.compare_cluster(cluster.topology, real), progress), nodes)


def check_nodes(
    topology: Topology,
    snapshot: Snapshot,
    probers: Mapping[str, Prober],
    progress: Callable[[str], None],
    logs: Path | None = None,
) -> Real:
    """Compare with the addresses of pods and with the kube-proxies of these nodes; ClusterError as above.

    Also if a kube-proxy does not write its rules. `logs` is for first_sync.wait_for_first_sync.
    """
    pods = _checked(contradictions.compare_pods(topology, snapshot), progress)
    if not topology.proxy.is_kube_proxy:
        return Real({}, pods)
    found, unread = proxy_facts.read_proxies(probers)
    notes = _checked(contradictions.compare_proxies(topology, found, unread), progress)
    first_sync.wait_for_first_sync(topology, found, probers, progress, logs)
    versions = {f"kube-proxy of {facts.node}": str(facts) for facts in found}
    settings = {f"proxy.{key} of {facts.node}": text for facts in found for key, text in facts.settings.items()}
    return Real({**versions, **settings}, (*pods, *notes), {facts.node: facts.versions for facts in found})


def node_vantages(topology: Topology, snapshot: Snapshot) -> dict[str, Vantage]:
    """Return one vantage on the host network of each node that has one: a running pod, else SSH."""
    found: dict[str, Vantage] = {}
    for kind in (VantageKind.NODE, VantageKind.SSH):
        for vantage in topology.workload.vantages:
            runs = kind is VantageKind.SSH or vantage.name in snapshot.pods
            if vantage.kind is kind and vantage.node and runs:
                found.setdefault(vantage.node, vantage)
    return found


def _checked(comparison: ClusterComparison, progress: Callable[[str], None]) -> tuple[str, ...]:
    """Print the notes and return them; raise ClusterError if there is a contradiction."""
    for note in comparison.notes:
        progress(f"note: {note}")
    for one in comparison.contradictions:
        progress(f"contradiction: {one}")
    if comparison.contradictions:
        raise ClusterError(str(comparison))
    return comparison.notes
