"""Discover a cluster: read the API, choose nodes, probe them, infer every value. The order of steps; no inference here.

A refusal leaves values unknown. Only an API that does not answer, or nodes that may not be listed, end it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from topologies.cluster.api import ClusterError
from topologies.discovery import api_reads, nodes, probe_pods
from topologies.discovery.findings import Finding, clean, omitted, unknown
from topologies.discovery.inference import balancer, cluster_dns, kernel, pod_network, products, proxy, ranges
from topologies.discovery.inference.own_addresses import find_second_card
from topologies.discovery.reachability import find_policies
from topologies.schema.enums import PodAddresses
from topologies.schema.presets.cni import facts_of
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kubernetes import client

    from topologies.discovery.inventory import Inventory, ListedNode, Unread
    from topologies.discovery.node_facts import NodeFacts
    from topologies.discovery.nodes import Choice, ChosenNode
    from topologies.discovery.probe_pods import ExecInPod, Probed, ProbeSettings

Findings = dict[str, Finding]
ROUNDS = 2  # a node whose pod did not run is replaced once


@dataclass(frozen=True, slots=True)
class DiscoveredNode:
    """A node of the file: its findings, and those of its own sections `proxy`, `kernel`."""

    chosen: ChosenNode
    alias: str
    findings: Findings
    sections: Mapping[str, Findings]


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything that goes into a topology file. `sections` are `cni`, `proxy`, `kernel`, `load_balancer`, `images`."""

    top: Findings
    nodes: tuple[DiscoveredNode, ...]
    sections: Mapping[str, Findings]
    left_out: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    replacement: str = ""


@dataclass
class _Cluster:
    """What has been read so far."""

    inventory: Inventory
    choice: Choice
    probed: Probed = field(default_factory=probe_pods.Probed)


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """How to discover.

    `count`: how many nodes to declare at most. `pods`: how the probe pods run, and with which image; without `run`,
    none are run.
    """

    count: int
    pods: ProbeSettings


def discover(
    api: client.ApiClient, request: DiscoveryRequest, execute: ExecInPod, progress: Callable[[str], None]
) -> Discovery:
    """Return what can be found of a cluster.

    Args:
        api: The API server.
        request: What to do.
        execute: Runs a command in a pod.
        progress: Gets the progress, a line at a time.

    Raises:
        ClusterError: The cluster cannot be read, or has no node that can be declared.

    """
    progress("reading nodes, Services and configuration from the API")
    inventory = api_reads.read_inventory(api)
    found = _Cluster(inventory, nodes.choose(inventory.nodes, request.count))
    _refuse_without_nodes(found)
    image = _find_image(inventory, request.pods)
    if request.pods.run:
        pods = replace(request.pods, image=_required(image))
        _ProbeRounds(api, pods, request.count, execute, progress).probe(found)
    kubelets, refused = api_reads.read_kubelets(api, found.choice.by_name)
    unread = (*inventory.unread, *found.probed.unread, *refused)
    found.inventory = replace(inventory, kubelets=kubelets, unread=unread)
    return assemble(found.inventory, found.choice, found.probed, image)


def _refuse_without_nodes(found: _Cluster) -> None:
    if not found.choice.chosen:
        reasons = "; ".join(found.choice.left_out) or "the API lists no node"
        message = f"choose nodes: {len(found.inventory.nodes)} nodes: got none that can be declared ({reasons}), want 1"
        raise ClusterError(message)


def _find_image(inventory: Inventory, pods: ProbeSettings) -> Finding:
    """Return the image of all pods: as given, or agnhost if a node has it already."""
    if pods.image:
        return Finding(pods.image, "--image")
    for node in inventory.nodes:
        for image in node.images:
            return Finding(image, f"on node {node.name} already (status.images)")
    return omitted("agnhost: no image was given (--image), and no node has agnhost: write one, see docs/topology.md")


def _required(image: Finding) -> str:
    if not image.is_known:
        message = (
            "--image: got none, and no node has an agnhost image, want an image that the nodes can pull "
            "(docs/topology.md, The image). Give --image=IMAGE, or --no-pods"
        )
        raise ClusterError(message)
    return str(image.value)


@dataclass(frozen=True)
class _ProbeRounds:
    """The rounds of probe pods."""

    api: client.ApiClient
    pods: ProbeSettings
    count: int
    execute: ExecInPod
    progress: Callable[[str], None]

    def probe(self, found: _Cluster) -> None:
        """Probe the chosen nodes, and others in place of those whose pod did not run, unless none ran."""
        known: dict[str, NodeFacts] = {}
        failed: dict[str, str] = {}
        for number in range(1, ROUNDS + 1):
            waiting = [one for one in found.choice.chosen if one.node.name not in known]
            found.probed = self._round(waiting, number, found.probed)
            known |= found.probed.facts
            failed |= found.probed.failed
            if not found.probed.failed or not known:
                break
            found.choice = nodes.choose(found.inventory.nodes, self.count, failed)
            if all(one.node.name in known for one in found.choice.chosen):
                break
        found.probed.facts = {name: one for name, one in known.items() if name in found.choice.by_name}
        for name, why in failed.items():
            self.progress(f"node {name}: {why}")

    def _round(self, waiting: list[ChosenNode], number: int, before: Probed) -> Probed:
        pods = self.pods if number == 1 else replace(self.pods, run=f"{self.pods.run}-{number}")
        probed = probe_pods.probe(self.api, waiting, pods, self.execute, self.progress)
        probed.service_cidr = probed.service_cidr or before.service_cidr
        probed.refusals.pods |= before.refusals.pods
        probed.refusals.nodes |= before.refusals.nodes
        return probed


def assemble(inventory: Inventory, choice: Choice, probed: Probed, image: Finding) -> Discovery:
    """Return every finding. Pure."""
    listed, facts = choice.by_name, probed.facts
    product = products.find_product(inventory)
    addresses = [one.pod_address for one in facts.values() if one.pod_address]
    cidrs = proxy.find_cluster_cidrs(inventory, facts)
    usual = facts_of(product.kind) if product else {}
    node_network = usual.get("pod_addresses") == PodAddresses.NODE_NETWORK
    pod_cidr = ranges.find_pod_cidr(inventory, cidrs, addresses, shares=node_network)
    views = {
        name: pod_network.look(listed[name], facts, listed, ranges.parse(pod_cidr)) for name in listed if name in facts
    }
    cni, own = pod_network.find_network(product, views, listed)
    cni |= {"pod_cidr": pod_cidr, **find_policies(probed.refusals, listed)}
    bridged = cni["bridge"].value if "bridge" in cni else None
    sections = {
        "cni": cni,
        "proxy": proxy.find_proxy(inventory, facts),
        "kernel": kernel.find_kernel(inventory, facts, bridged=bridged),
        "load_balancer": balancer.find_balancer(inventory),
        "images": {"agnhost": image},
    }
    top = _top(inventory, probed)
    evidence = _Evidence(inventory, facts, own, sections, top["kubernetes"].value, node_network=node_network)
    made = tuple(_node(one, index, evidence) for index, one in enumerate(choice.chosen, start=1))
    other = proxy.find_replacement(inventory)
    return Discovery(top, made, sections, choice.left_out, inventory.unread, other.evidence if other else "")


def _top(inventory: Inventory, probed: Probed) -> Findings:
    try:
        version = str(Version.parse(inventory.version))
    except ValueError:
        version = ""
    source = f"the API server's /version: {inventory.version}"
    return {
        "kubernetes": Finding(version, source) if version else _by_kubelet(inventory),
        "service_cidr": ranges.find_service_cidr(inventory, probed.service_cidr),
        "cluster_dns": cluster_dns.find_cluster_dns(inventory),
        "external_routes_to_pods": unknown("no host outside is declared; measured by a run that has some (external)"),
    }


def _by_kubelet(inventory: Inventory) -> Finding:
    """Return the oldest kubelet version, if /version may not be read."""
    for node in sorted(inventory.nodes, key=lambda one: one.kubelet):
        try:
            return Finding(str(Version.parse(node.kubelet)), f"kubelet of node {node.name}: /version is not readable")
        except ValueError:
            continue
    return unknown("no version is readable: /version, kubelets")


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of the cluster when its nodes are described.

    `own`: findings on the pod network, by node. `kubernetes`: the cluster's version. `node_network`: pods' addresses
    and cards are the nodes' own.
    """

    inventory: Inventory
    facts: Mapping[str, NodeFacts]
    own: Mapping[str, Findings]
    sections: Mapping[str, Findings]
    kubernetes: object
    node_network: bool

    @property
    def derives_addresses(self) -> bool:
        """Whether addresses of a node's devices follow from its `pod_cidr`, as far as known."""
        cni = self.sections["cni"]
        rules = [cni[key].value for key in ("bridge_address", "tunnel_address") if key in cni]
        return "pod-cidr" in rules or not self.facts


def _node(one: ChosenNode, index: int, evidence: _Evidence) -> DiscoveredNode:
    known, parts = evidence.facts.get(one.node.name), dict[str, Findings]()
    if known:
        parts["proxy"] = proxy.find_own(known.proxy, evidence.sections["proxy"])
    parts["kernel"] = kernel.find_own(evidence.inventory, evidence.facts, one.node.name, evidence.sections["kernel"])
    found = _addresses(one.node, known, evidence) | evidence.own.get(one.node.name, {}) | _traits(one)
    found |= _kubelet_version(one.node, evidence.kubernetes)
    return DiscoveredNode(one, f"n{index}", found, {name: part for name, part in parts.items() if part})


def _addresses(node: ListedNode, known: NodeFacts | None, evidence: _Evidence) -> Findings:
    """Return a node's addresses and its range of pods."""
    found: Findings = {"address": _address(node)}
    pod = known.pod_address if known else None
    if cidr := ranges.find_node_range(node, pod, derived=evidence.derives_addresses):
        found["pod_cidr"] = cidr
    if node.external_ips:
        text = (
            f"public_address: ExternalIP {node.external_ips[0]}; write it to ask NodePorts there (a firewall may drop)"
        )
        found["public_address"] = omitted(text)
    if known and not evidence.node_network:
        card = find_second_card(node, known, evidence.inventory, evidence.sections)
        found |= {"secondary_address": card} if card else {}
    return found


def _traits(one: ChosenNode) -> Findings:
    """Return what makes classes of nodes, as far as the API has it."""
    traits = one.belongs_to
    found = {
        "zone": Finding(clean(traits.zone), "label topology.kubernetes.io/zone"),
        "arch": Finding(clean(traits.arch), "status.nodeInfo.architecture"),
        "instance_type": Finding(clean(traits.instance_type), "label node.kubernetes.io/instance-type"),
        "kernel_version": Finding(clean(traits.kernel), "status.nodeInfo.kernelVersion"),
    }
    return {key: finding for key, finding in found.items() if finding.value}


def _kubelet_version(node: ListedNode, kubernetes: object) -> Findings:
    """Return the version of a node's kubelet if it differs from the cluster's."""
    try:
        version = str(Version.parse(node.kubelet))
    except ValueError:
        return {}
    return {} if version == kubernetes else {"kubelet_version": Finding(version, "status.nodeInfo.kubeletVersion")}


def _address(node: ListedNode) -> Finding:
    others = ", ".join(map(str, node.internal_ips[1:]))
    also = f"; other InternalIPs: {others}" if others else ""
    return Finding(str(node.internal_ips[0]), f"status.addresses: InternalIP{also}")


def list_findings(discovery: Discovery) -> Sequence[tuple[str, Finding]]:
    """Return every finding with its path in the file."""
    found = [*discovery.top.items()]
    found += [(f"{name}.{key}", one) for name, part in discovery.sections.items() for key, one in part.items()]
    for node in discovery.nodes:
        found += [(f"nodes.{node.alias}.{key}", one) for key, one in node.findings.items()]
        for name, part in node.sections.items():
            found += [(f"nodes.{node.alias}.{name}.{key}", one) for key, one in part.items()]
    return found
