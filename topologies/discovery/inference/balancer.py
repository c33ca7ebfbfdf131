"""The section `load_balancer`: which implementation serves Services of type LoadBalancer, by what exists. Pure.

Evidence, in this order: an implementation's own objects and DaemonSets, classes and annotations of Services, the nodes'
provider ids. Without a Service that has an address the kind is `none`: nothing is created to find out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.common.addresses import IPNetwork
from topologies.discovery.findings import Finding, list_names, omitted, unknown
from topologies.discovery.inference.ranges import cover
from topologies.discovery.inventory import as_list, as_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from topologies.discovery.inventory import Inventory, ListedService, PodOwner

Findings = dict[str, Finding]
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
AZURE_FLOATING = "service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip"
ACK_BACKEND = "service.beta.kubernetes.io/backend-type"
CCE_CLASS = "kubernetes.io/elb.class"
MEASURED = "not in the API; measured by the run"
UNSEEN = (
    *("keeps_client", "masquerade_inside", "excludes_source", "hairpin"),
    *("source_ranges", "session_affinity", "empty_pool", "other_ports"),
)
AFFINITY = {  # annotations of Services that make a balancer select by the client's address, each with the value
    f"{AWS}target-group-attributes": r"\bstickiness\.enabled=true\b",
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-persistence-timeout": r"^0*[1-9]",
    "kubernetes.io/elb.session-affinity-mode": r"^SOURCE_IP$",
}
BY_SETTING = {"nlb-instance", "nlb-ip", "ack-clb", "ack-clb-eni", "tke-clb", "cce-elb-shared", "cce-elb-dedicated"}


@dataclass(frozen=True, slots=True)
class BalancerKind:
    """A preset of `load_balancer.kind`, by what it was recognized, and other keys that are then known."""

    kind: str
    source: str
    more: Findings = field(default_factory=dict)


def find_balancer(inventory: Inventory) -> Findings:
    """Return the findings for the section `load_balancer`."""
    balanced = [one for one in inventory.services if one.type == "LoadBalancer"]
    served = [one for one in balanced if one.addresses or one.hostnames]
    recognized = next((one for read in READERS if (one := read(inventory, served))), None)
    if recognized is None and not served:
        return {"kind": _nothing(inventory, balanced)}
    found: Findings = {}
    if recognized:
        found["kind"] = Finding(recognized.kind, recognized.source)
        found |= recognized.more
    else:
        names = list_names(str(one) for one in served)
        found["kind"] = Finding("custom", f"Services with addresses ({names}); the implementation is not known")
        found["arrives_at"] = unknown(MEASURED)
        found["announced_by"] = unknown(MEASURED)
        found |= {key: unknown(MEASURED) for key in UNSEEN}
    if status := _status(served):
        found["status"] = status
    if affinity := _affinity(found["kind"].value, served):
        found["session_affinity"] = affinity
    found["listens"] = unknown(MEASURED)
    if "addresses" not in found:
        found["addresses"] = _addresses(served)
    return found


def _nothing(inventory: Inventory, balanced: list[ListedService]) -> Finding:
    if refused := inventory.why_unread("Services of all namespaces"):
        why = f"Services of all namespaces are not readable ({refused})"
        return Finding("none", f"not known: {why}. No LB cell is asked")
    if balanced:
        names = list_names(str(one) for one in balanced)
        return Finding("none", f"{names} of type LoadBalancer without an address: nothing serves them")
    return Finding("none", "not known: there is no Service of type LoadBalancer. Write the kind to ask LB cells")


def _status(served: list[ListedService]) -> Finding | None:
    """Return what status.loadBalancer has: the most frequent form."""
    forms = ["proxy" if "Proxy" in one.ip_modes else "ip" if one.addresses else "hostname" for one in served]
    if not forms:
        return None
    most = max(forms, key=forms.count)
    names = list_names(str(one) for one, form in zip(served, forms, strict=True) if form == most)
    return Finding(most, f"status.loadBalancer of {names}")


def _affinity(kind: str, served: list[ListedService]) -> Finding | None:
    """Return unknown if each Service has a setting of its own. A run's Services have no such annotation themselves."""
    for one in served:
        for name, pattern in AFFINITY.items():
            if re.search(pattern, one.annotations.get(name, "")):
                return unknown(f"annotation {name} sets client-ip for Service {one}, not for those of a run")
    return unknown("a setting of the balancer for each Service") if kind in BY_SETTING else None


def _addresses(served: list[ListedService]) -> Finding:
    seen = list_names(str(address) for one in served for address in one.addresses)
    return omitted(f"addresses: the range is not in the API{f'; seen: {seen}' if seen else ''}")


def _metallb(inventory: Inventory, _: list[ListedService]) -> BalancerKind | None:
    pools = inventory.objects.get("ipaddresspools", ())
    config = inventory.config_maps.get("metallb-system/config", {}).get("config", "")
    if not (pools or config):
        return None
    ranges = [str(text) for one in pools for text in as_list(as_map(one.get("spec")).get("addresses"))]
    ranges += re.findall(r"^\s*-\s*\"?([0-9][0-9./ -]+)", config, re.MULTILINE)
    bgp = inventory.objects.get("bgpadvertisements", ()) or "protocol: bgp" in config
    layer2 = inventory.objects.get("l2advertisements", ()) or "protocol: layer2" in config
    kind = "metallb-bgp" if bgp and not layer2 else "metallb-l2"
    both = "; both L2 and BGP advertisements exist, the first one is written" if bgp and layer2 else ""
    objects = "BGPAdvertisement" if kind == "metallb-bgp" else "L2Advertisement"
    more = {"addresses": found} if (found := _pool(ranges)) else {}
    return BalancerKind(kind, f"MetalLB's IPAddressPool and {objects}{both}", more)


def _pool(texts: list[str]) -> Finding | None:
    """Return the first pool: a range in CIDR form, or the smallest one that has `first-last`."""
    for text in texts:
        ends = re.findall(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?:/[0-9]+)?", text)
        try:
            networks = [IPNetwork(end, strict=False) for end in ends]
        except ValueError:
            continue
        if networks:
            exact = "" if len(networks) == 1 else ", the smallest range that has"
            return Finding(str(cover(networks)), f"MetalLB's address pool{exact} {text.strip()}")
    return None


def _in_cluster(inventory: Inventory, _: list[ListedService]) -> BalancerKind | None:
    """Return an implementation that runs as DaemonSets of this cluster."""
    for one in inventory.daemon_sets:
        if one.name.startswith("svclb-") or "svccontroller.k3s.cattle.io/svcname" in one.labels:
            return BalancerKind("servicelb", f"DaemonSet {one} (k3s ServiceLB)")
        if one.name.startswith("kube-vip") and not _is_set(one, "bgp_enable"):
            elects = _is_set(one, "svc_election")
            kind, leader = ("kube-vip-election", "each Service") if elects else ("kube-vip", "all Services")
            return BalancerKind(kind, f"DaemonSet {one}, svc_election {str(elects).lower()}: one leader for {leader}")
    return None


def _is_set(owner: PodOwner, name: str) -> bool:
    """Return whether an environment variable is true, as kube-vip reads it (strconv.ParseBool)."""
    return owner.environment.get(name, "").lower() in {"1", "t", "true"}


def _aws(_: Inventory, served: list[ListedService]) -> BalancerKind | None:
    for one in served:
        if not any(re.search(r"\.elb\.[a-z0-9-]+\.amazonaws\.com", name) for name in one.hostnames):
            continue
        kind = one.annotations.get(f"{AWS}type", "")
        if kind in {"nlb", "external", "nlb-ip"} or one.load_balancer_class == "service.k8s.aws/nlb":
            targets = one.annotations.get(f"{AWS}nlb-target-type", "ip" if kind == "nlb-ip" else "instance")
            name = "nlb-ip" if targets == "ip" else "nlb-instance"
            return BalancerKind(name, f"annotations and hostname of Service {one}")
        return BalancerKind("full-nat", f"hostname of Service {one}: a Classic Load Balancer connects itself")
    return None


def _azure(inventory: Inventory, served: list[ListedService]) -> BalancerKind | None:
    if not (served and _provider(inventory, "azure://")):
        return None
    fixed = next((one for one in served if one.annotations.get(AZURE_FLOATING) == "true"), None)
    kind = "azure-no-floating" if fixed and len(served) == 1 else "azure"
    return BalancerKind(kind, f"provider id azure:// of the nodes, address of Service {served[0]}")


def _provided(inventory: Inventory, served: list[ListedService]) -> BalancerKind | None:
    """Return the cloud's usual balancer, by the nodes' provider ids."""
    if not served:
        return None
    if _provider(inventory, "gce://"):
        return BalancerKind("gcp", f"provider id gce:// of the nodes, address of Service {served[0]}")
    if _provider(inventory, "qcloud://", "tencentcloud://"):
        return BalancerKind("tke-clb", f"provider id qcloud:// of the nodes, address of Service {served[0]}")
    if any(CCE_CLASS in one.annotations for one in served):
        dedicated = any(one.annotations.get(CCE_CLASS) == "performance" for one in served)
        kind = "cce-elb-dedicated" if dedicated else "cce-elb-shared"
        return BalancerKind(kind, f"annotation {CCE_CLASS} of Service {served[0]}")
    if any(re.match(r"(alicloud://|[a-z]+-[a-z0-9-]+\.i-)", node.provider_id) for node in inventory.nodes):
        pods = any(one.annotations.get(ACK_BACKEND) == "eni" for one in served)
        kind = "ack-clb-eni" if pods else "ack-clb"
        return BalancerKind(kind, f"provider id of the nodes (Alibaba Cloud), address of Service {served[0]}")
    return None


def _provider(inventory: Inventory, *schemes: str) -> bool:
    return any(node.provider_id.startswith(schemes) for node in inventory.nodes)


def _nodes_own(inventory: Inventory, served: list[ListedService]) -> BalancerKind | None:
    """Return servicelb's behaviour if every address in a status is a node's own."""
    own = {address for node in inventory.nodes for address in (*node.internal_ips, *node.external_ips)}
    given = {address for one in served for address in one.addresses}
    if not given or not given <= own:
        return None
    return BalancerKind("servicelb", f"the addresses of {list_names(map(str, served))} are the nodes' own")


READERS: tuple[Callable[[Inventory, list[ListedService]], BalancerKind | None], ...] = (
    *(_metallb, _in_cluster, _aws, _azure, _provided),
    _nodes_own,
)
