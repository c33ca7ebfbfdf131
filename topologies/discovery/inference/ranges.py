"""The ranges of pods and Services, from configuration, from the API's own words, or as the smallest that fits. Pure."""

from __future__ import annotations

import re
from ipaddress import collapse_addresses
from typing import TYPE_CHECKING

import yaml

from topologies.common.addresses import IPNetwork
from topologies.discovery.findings import Finding, first_known, omitted, unknown
from topologies.discovery.inference.products import read_flannel_config
from topologies.discovery.inventory import as_list, as_map, as_networks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from topologies.common.addresses import IPAddress
    from topologies.discovery.inventory import Inventory, ListedNode

KUBEADM = "kube-system/kubeadm-config"
LEAST_PREFIX = 24  # of a range of ClusterIPs that is only known by some of them
SMALLEST = "not readable: the smallest range that has"


def find_service_cidr(inventory: Inventory, named: Finding | None) -> Finding:
    """Return the range of ClusterIPs.

    Args:
        inventory: What the API lists.
        named: The range that kube-apiserver's error names, if it was tried.

    """
    objects = _texts(inventory, "servicecidrs", "cidrs")
    openshift = _texts(inventory, "networks", "serviceNetwork")
    listed = [
        _first(objects, "ServiceCIDR objects"),
        named,
        _flag(inventory, "service-cluster-ip-range"),
        _first([read_kubeadm(inventory, "serviceSubnet")], f"ConfigMap {KUBEADM}, networking.serviceSubnet"),
        _first(openshift, "networks.config.openshift.io, spec.serviceNetwork"),
    ]
    known = [address for service in inventory.services for address in service.cluster_ips]
    if known:
        least = cover([IPNetwork((address, LEAST_PREFIX), strict=False) for address in known])
        listed.append(Finding(str(least), f"{SMALLEST} every ClusterIP of a Service, at least a /{LEAST_PREFIX}"))
    return first_known(listed) or omitted("service_cidr: no Service is readable; the default is assumed")


def _texts(inventory: Inventory, plural: str, key: str) -> list[object]:
    """Return what a list in `spec` of some objects has."""
    return [text for one in inventory.objects.get(plural, ()) for text in as_list(as_map(one.get("spec")).get(key))]


def find_pod_cidr(inventory: Inventory, proxy: Finding | None, pods: Iterable[IPAddress], *, shares: bool) -> Finding:
    """Return the range of all pods.

    Args:
        inventory: What the API lists.
        proxy: kube-proxy's cluster CIDRs, if they are known.
        pods: The addresses of probe pods.
        shares: Whether pods have addresses of the nodes' network.

    """
    configured = proxy.value if proxy else []
    listed = [
        _first(configured, proxy.source if proxy else ""),
        *_of_cni(inventory),
        _flag(inventory, "cluster-cidr"),
        _first([read_kubeadm(inventory, "podSubnet")], f"ConfigMap {KUBEADM}, networking.podSubnet"),
    ]
    if found := first_known(listed):
        return found
    addresses = list(map(IPNetwork, pods))
    if shares:
        hosts = [IPNetwork(address) for node in inventory.nodes for address in node.internal_ips]
        text = f"{SMALLEST} the nodes' and the probe pods' addresses (the network's own range is not in the API)"
        return Finding(str(cover([*hosts, *addresses])), text)
    ranges = [network for node in inventory.nodes for network in node.pod_cidrs]
    if ranges or addresses:
        text = f"{SMALLEST} every spec.podCIDR" if ranges else f"{SMALLEST} the probe pods' addresses"
        return Finding(str(cover([*ranges, *addresses])), text)
    return omitted("pod_cidr: not readable; no spec.podCIDR, no configuration, no probe pod")


def _of_cni(inventory: Inventory) -> Iterator[Finding | None]:
    """Yield the ranges that a CNI's own configuration has."""
    pools = [as_map(one.get("spec")) for one in inventory.objects.get("ippools", ())]
    ranges = as_networks(pool.get("cidr") for pool in pools if pool.get("disabled") is not True)
    if ranges:
        yield Finding(str(cover(ranges)), f"Calico's IPPool{'s' if len(ranges) > 1 else ''}")
    cilium = inventory.config_maps.get("kube-system/cilium-config", {})
    if cilium.get("ipam", "") == "cluster-pool":
        yield _first([cilium.get("cluster-pool-ipv4-cidr")], "cluster-pool-ipv4-cidr of kube-system/cilium-config")
    openshift = [as_map(one).get("cidr") for one in _texts(inventory, "networks", "clusterNetwork")]
    yield _first(openshift, "networks.config.openshift.io, spec.clusterNetwork")
    name, flannel = read_flannel_config(inventory)
    yield _first([flannel.get("Network")], f"net-conf.json of ConfigMap {name}")


def cover(networks: Iterable[IPNetwork]) -> IPNetwork:
    """Return the smallest range that has all of these."""
    parts = list(collapse_addresses(networks))
    whole = parts[0]
    while not all(part.subnet_of(whole) for part in parts):
        whole = whole.supernet()
    return whole


def _first(texts: Iterable[object], source: str) -> Finding | None:
    """Return the first IPv4 range of these texts, each of which may be a comma-separated pair."""
    parts = [part for text in texts if text for part in str(text).split(",")]
    networks = as_networks(parts)
    return Finding(str(networks[0]), source) if networks else None


def _flag(inventory: Inventory, flag: str) -> Finding | None:
    for owner in inventory.static_pods:
        for argument in owner.arguments:
            if found := re.match(rf"--{flag}=(\S+)", argument):
                return _first([found[1]], f"--{flag} of pod {owner}")
    return None


def read_kubeadm(inventory: Inventory, key: str) -> object:
    """Return a key of `networking` in kubeadm's ConfigMap; None if it is not readable."""
    text = inventory.config_maps.get(KUBEADM, {}).get("ClusterConfiguration", "")
    try:
        return as_map(as_map(yaml.safe_load(text)).get("networking")).get(key)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def find_node_range(node: ListedNode, pod: IPAddress | None, *, derived: bool) -> Finding | None:
    """Return a node's `pod_cidr`; an omission if its pods have other addresses, None if nothing reads it.

    Args:
        node: The node.
        pod: The address of the probe pod there.
        derived: Whether addresses of the node's devices follow from it.

    """
    if not node.pod_cidrs:
        return unknown("the node has no spec.podCIDR") if derived else None
    if pod is not None and pod not in node.pod_cidrs[0]:
        return omitted(f"pod_cidr: spec.podCIDR is {node.pod_cidrs[0]}, but the probe pod has {pod} (own IPAM)")
    if pod is None and not derived:
        return omitted(f"pod_cidr: spec.podCIDR is {node.pod_cidrs[0]}; no probe pod shows whether pods follow it")
    return Finding(str(node.pod_cidrs[0]), "spec.podCIDR")


def parse(finding: Finding) -> tuple[IPNetwork, ...]:
    """Return the range of a finding as a tuple of one; empty if it is not known."""
    return as_networks([finding.value]) if finding.is_known else ()
