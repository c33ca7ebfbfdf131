"""What a file may leave short, written out: `nodes: 4`, an absent `workload`, `external_ips`. Pure; any raw contents.

Nothing here judges what is already written out: schema/validation/ does.
"""

from __future__ import annotations

import re
from typing import Any

from topologies.common.addresses import IPAddress
from topologies.loading import aliases
from topologies.schema import default_workload, limits
from topologies.schema.complaints import Complaint, show
from topologies.schema.enums import AddressIs, DetectLocal, PodAddresses, ProxyKind
from topologies.schema.facts import UNKNOWN
from topologies.schema.presets import load_balancer as load_balancer_presets
from topologies.schema.presets.cni import WITHOUT_CLUSTER_CIDR, facts_of
from topologies.schema.scalars import DNS_LABEL, DNS_SUBDOMAIN, SUBDOMAIN_LENGTH

Raw = dict[str, Any]
EXTERNAL_IPS = 2
FIRST_PORT = 80


def expand(raw: Raw) -> tuple[Raw, list[Complaint]]:
    """Return the contents written out, and what is wrong with the short forms."""
    full, found = dict(raw), []
    nodes = full.get("nodes")
    if isinstance(nodes, int) and not isinstance(nodes, bool):
        if 0 < nodes <= limits.NUMBERED_NODES:
            full["nodes"] = [_worker(index) for index in range(1, nodes + 1)]
        else:
            want = f"a number from 1 to {limits.NUMBERED_NODES}, or a list of at most {limits.NODES} nodes"
            found.append(Complaint("nodes", show(nodes), want))
            full["nodes"] = []
    found.extend(aliases.apply(full))
    if "external_ips" in full:
        found.extend(_external_ips(full))
    external_ips = full.pop("external_ips", [])
    if isinstance(full.get("load_balancer"), dict):
        full["load_balancer"] = _spell_out(_name_servicelb(full))
    if "workload" not in full:
        full["workload"] = _standard(full, external_ips if not found else [])
    full["workload"] = _add_backend_nodes(full["workload"])
    if isinstance(full.get("proxy", {}), dict) and _lacks_cluster_cidr(full):
        full["proxy"] = {"detect_local": DetectLocal.NONE, **full.get("proxy", {})}
    return full, found


def _name_servicelb(full: Raw) -> Raw:
    """Return the contents of `load_balancer`, with the kind of one whose only address is a node's own."""
    balancer: Raw = full["load_balancer"]
    nodes = full["nodes"] if isinstance(full.get("nodes"), list) else []
    owned = {f"{node['address']}/32" for node in nodes if isinstance(node, dict) and _is_address(node.get("address"))}
    is_owned = isinstance(pool := balancer.get("addresses"), str) and pool in owned
    return {**balancer, "kind": "servicelb"} if is_owned and balancer.get("kind", "none") == "none" else balancer


def _spell_out(balancer: Raw) -> Raw:
    """Return the contents of `load_balancer` with `unknown` at each fact that its kind leaves open."""
    full = dict(balancer)
    if full.get("registers") == UNKNOWN and "announced_by" not in full:
        full["announced_by"] = full.pop("registers")
    return {**dict.fromkeys(load_balancer_presets.list_open_facts(full), UNKNOWN), **full}


def _lacks_cluster_cidr(full: Raw) -> bool:
    """Return whether kube-proxy usually has no cluster CIDR.

    This is so for some kinds, and if pods have addresses of the nodes' network and no range is declared.
    """
    cni, nodes = full.get("cni"), full.get("nodes")
    if not isinstance(cni, dict) or full.get("proxy", {}).get("kind", ProxyKind.KUBE_PROXY) != ProxyKind.KUBE_PROXY:
        return False
    if isinstance(kind := cni.get("kind"), str) and kind in WITHOUT_CLUSTER_CIDR:
        return True
    addresses = cni.get("pod_addresses", facts_of(kind).get("pod_addresses"))
    if addresses != PodAddresses.NODE_NETWORK or _known(cni.get("pod_cidr")):
        return False
    return isinstance(nodes, list) and not any(isinstance(one, dict) and _known(one.get("pod_cidr")) for one in nodes)


def _known(value: object) -> bool:
    return value is not None and value != UNKNOWN


def _add_backend_nodes(work: object) -> object:
    """Return the workload with the node of each vantage of kind `backend`, which is its backend's."""
    if not isinstance(work, dict) or not isinstance(work.get("vantages"), list):
        return work
    backend_nodes = {one["name"]: one.get("node") for one in _named(work.get("backends"), DNS_LABEL, SUBDOMAIN_LENGTH)}
    vantages = [
        {**one, "node": backend_nodes[one["backend"]]}
        if isinstance(one, dict)
        and one.get("kind") == "backend"
        and one.get("node") is None
        and isinstance(one.get("backend"), str)
        and one["backend"] in backend_nodes
        else one
        for one in work["vantages"]
    ]
    return {**work, "vantages": vantages}


def _external_ips(full: Raw) -> list[Complaint]:
    """Return what is wrong with the short form; the addresses are validated in the Services that get them."""
    given = full["external_ips"]
    if "workload" in full:
        want = "no external_ips beside a workload: give them to its Services"
        return [] if given == [] else [Complaint("external_ips", show(given), want)]
    if not isinstance(given, list) or len(given) > EXTERNAL_IPS or not all(map(_is_address, given)):
        return [Complaint("external_ips", show(given), f"a list of at most {EXTERNAL_IPS} IPv4 addresses")]
    return []


def _is_address(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(IPAddress(value))
    except ValueError:
        return False


def _worker(index: int) -> Raw:
    """Return a node of the lab's address plan: 198.18.1.0/24 from .11, pods 10.244.N.0/24 (docs/topology.md)."""
    address = IPAddress("198.18.1.10") + index
    return {"name": f"n{index}", "address": str(address), "pod_cidr": f"10.244.{index}.0/24", "ssh": {}}


def _standard(full: Raw, external_ips: list[Any]) -> Raw:
    nodes = _named(full.get("nodes"), DNS_SUBDOMAIN, SUBDOMAIN_LENGTH)
    external = [host["name"] for host in _named(full.get("external"), DNS_LABEL, SUBDOMAIN_LENGTH)]
    if not nodes:
        return {"backends": [], "services": [], "vantages": []}
    nodes = [node for node in nodes if _runs_image(node, full.get("images"))] or nodes
    with_ssh = [node["name"] for node in nodes if node.get("ssh") is not None]
    plan = default_workload.standard([node["name"] for node in nodes], external, with_ssh, external_ips)
    balancer = full.get("load_balancer") or {}
    if isinstance(balancer, dict) and load_balancer_presets.kind_of(balancer) == "none":
        plan["services"] = [service for service in plan["services"] if service["type"] != "LoadBalancer"]
    elif isinstance(balancer, dict) and load_balancer_presets.complete(balancer).get("address_is") == AddressIs.NODE:
        balanced = [service for service in plan["services"] if service["type"] == "LoadBalancer"]
        for port, service in enumerate(balanced, start=FIRST_PORT):
            service["port"] = port  # a node's address has each port once
    return plan


def _runs_image(node: Raw, images: object) -> bool:
    """Whether the node can run the image, as far as both are declared; see `Topology.why_no_pods_on`."""
    built = images.get("architectures") if isinstance(images, dict) else None
    foreign = isinstance(built, list) and bool(built) and node.get("arch") is not None and node["arch"] not in built
    return node.get("os") in {None, "linux"} and not foreign


def _named(entries: object, pattern: str, length: int) -> list[Raw]:
    """Return the entries of a list that have a valid name; validation reports the others."""
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [one for one in found if isinstance(name := one.get("name"), str) and _matches(name, pattern, length)]


def _matches(name: str, pattern: str, length: int) -> bool:
    return len(name) <= length and re.search(pattern.replace("$", r"\Z"), name, re.ASCII) is not None
