"""Compare a topology with what the cluster reports: contradictions, where both cannot be true, and notes. Pure.

With a wrong declaration half of the cells would fail as if the cluster were at fault. So a contradiction ends the run
before anything is probed. What is legal but odd, and what could not be read, is a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from probes.oracle.catalogue import CATALOGUE, modes_of
from topologies.cluster_state.real_cluster import LIST_NODES
from topologies.common.addresses import IPNetwork
from topologies.schema.enums import DetectLocal, ProxyMode
from topologies.schema.facts import unknown_at
from topologies.schema.network import kubelet_rules_by
from topologies.schema.presets.cni import RANGES_OF_NODE_OBJECT
from topologies.schema.scalars import ALL_ADDRESSES, LOCALHOST, PRIMARY
from topologies.schema.topology import Version
from topologies.schema.validation.proxy import PRIMARY_BY_DEFAULT_SINCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from topologies.cluster_state.proxy_facts import ProxyFacts
    from topologies.cluster_state.real_cluster import RealCluster, RealNode
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Node, Topology

VERSION = "proxy.version"
ALL_READ: Mapping[str, str] = MappingProxyType({})
NAMED = 8  # nodes or contradictions that one line names; the rest is counted


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One declared value, the real one, and where that was read."""

    what: str
    declared: str
    real: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: declared {self.declared}, real {self.real} ({self.where})"


@dataclass(frozen=True, slots=True)
class ClusterComparison:
    """The contradictions, and the notes."""

    contradictions: tuple[Contradiction, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, found: Iterable[Contradiction | str]) -> ClusterComparison:
        """Sort contradictions from notes."""
        made = tuple(found)
        return cls(
            tuple(one for one in made if isinstance(one, Contradiction)),
            tuple(one for one in made if isinstance(one, str)),
        )

    def __str__(self) -> str:
        """One line that names every contradiction, or the first NAMED of many and their count."""
        more = len(self.contradictions) - NAMED
        listed = "; ".join(map(str, self.contradictions[:NAMED])) + (f"; and {more} more" if more > 0 else "")
        return f"the topology contradicts the cluster: {listed}. Correct the topology, or choose another cluster."


def compare_cluster(topology: Topology, real: RealCluster) -> ClusterComparison:
    """Compare with what the API reports before anything is deployed."""
    return ClusterComparison.of(
        (*_server(topology, real), *_nodes(topology, real), *_service_range(topology, real), *_unread(real))
    )


def _unread(real: RealCluster) -> Iterator[str]:
    for why in real.unread:
        yield f"not compared with the topology: {why}"
    if any(why.startswith(LIST_NODES) for why in real.unread):
        yield "nodes that the topology does not declare are not known: a load balancer's cells may fail for them"


def _server(topology: Topology, real: RealCluster) -> Iterator[Contradiction | str]:
    where = "the API server's /version"
    if not (version := _version(real.version)):
        return
    if version[:2] != topology.kubernetes[:2]:
        yield Contradiction("kubernetes", str(topology.kubernetes), real.version, where)
    elif topology.proxy.version is None and VERSION not in topology.unknown:
        yield from _patch("kubernetes", topology.proxy.mode, topology.kubernetes, real.version, where)


def _patch(what: str, mode: ProxyMode, declared: Version, real: str, where: str) -> Iterator[Contradiction | str]:
    """Yield a contradiction if a rule holds for only one of two patch releases, else a note."""
    version = _version(real)
    if version is None or version == declared:
        return
    different = Contradiction(what, str(declared), real, where)
    if rules := rules_between(mode, declared, version):
        yield Contradiction(what, str(declared), f"{real}, for which other rules hold: {', '.join(rules)}", where)
    else:
        yield f"{different}: the same rules hold for both"


def rules_between(mode: ProxyMode, one: Version, other: Version) -> tuple[str, ...]:
    """Return the ids of the rules that hold for one of two kube-proxy versions and not for the other."""
    return tuple(
        rule.id
        for rule in CATALOGUE
        if mode in modes_of(rule) and rule.versions.includes(one) != rule.versions.includes(other)
    )


def _nodes(topology: Topology, real: RealCluster) -> Iterator[Contradiction | str]:
    known = {node.name: node for node in real.nodes}
    if not known:
        return
    for node in topology.nodes:
        if node.api_name in known:
            yield from _node(topology, node, known[node.api_name])
        else:
            yield Contradiction(f"node {node.full_name}", "there", f"not among {_listed(known)}", "list nodes")
    if strange := known.keys() - {node.api_name for node in topology.nodes}:
        names = _listed(strange)
        yield f"nodes that the topology does not declare: {names}. They are not asked; the load balancer may use them"
    yield from _skew(topology, real.nodes)


def _node(topology: Topology, node: Node, real: RealNode) -> Iterator[Contradiction | str]:
    if real.not_ready:
        yield f"node {node.full_name} is not Ready: {real.not_ready}"
    where = f"status.addresses of node {node.full_name}"
    if real.internal_ips and str(node.address) not in real.internal_ips:
        yield Contradiction(f"address of node {node.full_name}", str(node.address), _and(real.internal_ips), where)
    cidrs = tuple(text for text in real.pod_cidrs if ":" not in text)
    if node.pod_cidr and cidrs and str(node.pod_cidr) not in cidrs:
        what, where = f"pod_cidr of node {node.full_name}", f"spec.podCIDRs of node {node.full_name}"
        different = Contradiction(what, str(node.pod_cidr), _and(cidrs), where)
        yield different if _follows_pod_cidr(topology) else f"{different}: this CNI may have ranges of its own"


def _follows_pod_cidr(topology: Topology) -> bool:
    """Return whether pod addresses, or kube-proxy, depend on spec.podCIDR: flannel's do; other CNIs have own IPAM."""
    return topology.cni.kind in RANGES_OF_NODE_OBJECT or topology.proxy.detect_local is DetectLocal.NODE_CIDR


def _skew(topology: Topology, nodes: Sequence[RealNode]) -> Iterator[str]:
    """Yield kubelets of another minor version than declared: their iptables rules may differ, and kube-proxy's too."""
    declared = {node.api_name: node for node in topology.nodes}
    found: dict[tuple[str, Version], list[str]] = {}
    for node in nodes:
        version, here = _version(node.kubelet), declared.get(node.name)
        if here and version and not _is_expected_kubelet(topology, here.name, version):
            found.setdefault((node.kubelet, topology.kubelet_version_of(here.name)), []).append(here.full_name)
    for (kubelet, version), names in found.items():
        key = "kubernetes" if version == topology.kubernetes else "kubelet_version"
        yield f"the kubelet of {_listed(names)} is {kubelet}, {key} {version} is declared"


def _is_expected_kubelet(topology: Topology, node: str, version: Version) -> bool:
    """Return whether a kubelet has the minor version of a declared component and writes the expected iptables rules."""
    expected = {topology.kubelet_version_of(node)[:2], topology.proxy_version_of(node)[:2]}
    known_rules = topology.kernel_of(node).kubelet_rules is not None
    same_rules = known_rules or kubelet_rules_by(version) is topology.kubelet_rules_of(node)
    return version[:2] in expected and same_rules


def _service_range(topology: Topology, real: RealCluster) -> Iterator[Contradiction]:
    address = real.api_service_ip
    if address and not _inside(address, [topology.service_cidr]):
        where = "clusterIP of Service default/kubernetes"
        yield Contradiction("service_cidr", str(topology.service_cidr), f"a range with {address}", where)


def compare_pods(topology: Topology, snapshot: Snapshot) -> ClusterComparison:
    """Compare the pod ranges with the addresses that pods have; a hostNetwork pod has its node's."""
    return ClusterComparison.of(_pod_ranges(topology, snapshot))


def _pod_ranges(topology: Topology, snapshot: Snapshot) -> Iterator[Contradiction]:
    cluster = topology.cni.pod_cidr if topology.cni.is_pod_cidr_known else None
    backends = [(one.name, one.node, one.host_network) for one in topology.workload.backends]
    probers = [(one.name, one.node or "", one.on_host_network) for one in topology.workload.vantages]
    for name, node, host_network in (*backends, *probers):
        address = snapshot.pods.get(name)
        if host_network or address is None:
            continue
        own = topology.node(node).pod_cidr if node else None
        for what, declared in ((f"pod_cidr of node {topology.full_node_name(node)}", own), ("cni.pod_cidr", cluster)):
            if declared and address not in declared:
                yield Contradiction(what, str(declared), f"a range with {address}", f"status.podIP of pod {name}")
                break


def compare_proxies(
    topology: Topology, proxies: Iterable[ProxyFacts], unread: Mapping[str, str] = ALL_READ
) -> ClusterComparison:
    """Compare with what the nodes' kube-proxies report. `unread`: why nothing was read, by node."""
    proxies = tuple(proxies)
    found = [one for facts in proxies for one in _proxy(topology, facts)]
    found.extend(
        f"kube-proxy of {topology.full_node_name(facts.node)}: http://127.0.0.1:10256/healthz returns 503: "
        f"{facts.unhealthy}"
        for facts in proxies
        if facts.unhealthy
    )
    asked = {facts.node for facts in proxies} | set(unread)
    for reason in dict.fromkeys(unread.values()):
        names = _listed(topology.full_node_name(node) for node, why in unread.items() if why == reason)
        found.append(f"kube-proxy of {names}: mode and version not read ({reason})")
    if apart := [node.full_name for node in topology.nodes if node.name not in asked]:
        found.append(
            f"kube-proxy of {_listed(apart)}: mode and version not read (no vantage on the host network there)"
        )
    return ClusterComparison.of(found)


def _proxy(topology: Topology, facts: ProxyFacts) -> Iterator[Contradiction | str]:
    """Compare one kube-proxy with what the topology declares for its node. An unknown fact contradicts nothing."""
    for key, one in _of_proxy(topology, facts):
        if unknown_at(topology, facts.node, f"proxy.{key}") is None:
            yield one
        elif isinstance(one, Contradiction):
            yield f"{one.what} is unknown in the topology; the node reports {one.real} ({one.where})"


def _of_proxy(topology: Topology, facts: ProxyFacts) -> Iterator[tuple[str, Contradiction | str]]:
    """Yield what differs from the declared values of the node, each with its key in `proxy`."""
    proxy, name = topology.proxy_of(facts.node), topology.full_node_name(facts.node)
    who, base = f"kube-proxy of {name}", f"http://127.0.0.1:10249 on {name}"
    if facts.mode and facts.mode != proxy.mode:
        yield "mode", Contradiction(f"mode of {who}", proxy.mode, facts.mode, f"{base}/proxyMode")
    for one in _proxy_version(topology, facts, f"{base}/metrics"):
        yield "version", one
    config = f"{base}/configz"
    detect_local = _detect_local(facts)
    if detect_local and detect_local != proxy.detect_local:
        yield "detect_local", Contradiction(f"detect_local of {who}", proxy.detect_local, detect_local, config)
    elif detect_local == DetectLocal.CLUSTER_CIDR and str(topology.cni.pod_cidr) not in (facts.cluster_cidrs or ()):
        declared, real = str(topology.cni.pod_cidr), _and(facts.cluster_cidrs or ())
        yield "", Contradiction(f"cni.pod_cidr, the clusterCIDR of {who}", declared, real, config)
    yield from _flags(topology, facts, config)
    yield from (("node_port_addresses", one) for one in _node_port_addresses(topology, facts, config))


def _flags(topology: Topology, facts: ProxyFacts, where: str) -> Iterator[tuple[str, Contradiction]]:
    """Compare the flags that this mode reads."""
    proxy = topology.proxy_of(facts.node)
    localhost = facts.localhost_nodeports if proxy.mode is ProxyMode.IPTABLES else None
    localhost_proxy = facts.localhost_nodeport_proxy if proxy.mode is ProxyMode.NFTABLES else None
    for key, declared, real in (
        ("masquerade_all", proxy.masquerade_all, facts.masquerade_all),
        ("localhost_nodeports", proxy.localhost_nodeports, localhost),
        ("localhost_nodeport_proxy", proxy.localhost_nodeport_proxy, localhost_proxy),
        ("allow_external_ips", proxy.allow_external_ips, facts.allow_external_ips),
    ):
        if real is not None and declared != real:
            name = topology.full_node_name(facts.node)
            yield key, Contradiction(f"{key} of kube-proxy of {name}", _word(declared), _word(real), where)


def _proxy_version(topology: Topology, facts: ProxyFacts, where: str) -> Iterator[Contradiction | str]:
    what, declared = (
        f"version of kube-proxy of {topology.full_node_name(facts.node)}",
        topology.proxy_version_of(facts.node),
    )
    version = _version(facts.version or "")
    if version is None:
        return
    if version[:2] != declared[:2]:
        yield Contradiction(what, str(declared), facts.version or "", where)
    else:
        yield from _patch(what, topology.proxy_of(facts.node).mode, declared, facts.version or "", where)


def _detect_local(facts: ProxyFacts) -> str | None:
    """Return the mode; ClusterCIDR without a range is none (cmd/kube-proxy/app/server_linux.go: getLocalDetectors)."""
    if facts.detect_local == DetectLocal.CLUSTER_CIDR and not facts.cluster_cidrs:
        return DetectLocal.NONE
    return facts.detect_local


def _node_port_addresses(topology: Topology, facts: ProxyFacts, where: str) -> Iterator[Contradiction]:
    """Compare the addresses. Up to 1.35, kube-proxy's /configz has the ranges for which a word stands."""
    if facts.node_port_addresses is None:
        return
    proxy = topology.proxy_of(facts.node)
    declared, real = (
        _in_ranges(topology, facts.node, map(str, texts))
        for texts in (proxy.node_port_addresses, facts.node_port_addresses)
    )
    if declared != real:
        what = f"node_port_addresses of kube-proxy of {topology.full_node_name(facts.node)}"
        yield Contradiction(what, _and(sorted(declared)), _and(sorted(real)), where)


def _in_ranges(topology: Topology, node: str, texts: Iterable[str]) -> set[str]:
    """Return the ranges of a list with words; in nftables mode an empty list is the node's own address."""
    own = str(IPNetwork(topology.node(node).address))
    words = {PRIMARY: own, LOCALHOST: "127.0.0.0/8", ALL_ADDRESSES: "0.0.0.0/0"}
    in_nftables = topology.proxy_of(node).mode is ProxyMode.NFTABLES
    by_default = {own} if in_nftables and topology.proxy_version_of(node) >= PRIMARY_BY_DEFAULT_SINCE else set()
    return {words.get(text, text) for text in texts} or by_default


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except ValueError:
        return None


def _inside(address: str, networks: Iterable[IPNetwork]) -> bool:
    try:
        return any(IPNetwork(address).subnet_of(network) for network in networks)
    except ValueError:  # IPv6
        return False


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(ordered[:NAMED]) + more


def _and(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _word(flag: object) -> str:
    return "true" if flag else "false"
