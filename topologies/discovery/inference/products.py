"""Which CNI a cluster has, by its DaemonSet, configuration and node annotations, and what those show. Pure.

A product's configuration gives the preset and the masquerade. What only packets show stays unknown.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topologies.discovery.findings import Finding, unknown
from topologies.discovery.inventory import as_map, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from topologies.discovery.inventory import Inventory, PodOwner, Raw

FLANNEL = "flannel.alpha.coreos.com/"
FLANNEL_CONFIGS = ("kube-flannel/kube-flannel-cfg", "kube-system/kube-flannel-cfg")
FLANNEL_DAEMONS = ("kube-flannel-ds", "kube-flannel", "kube-flannel-ds-amd64", "kube-flannel-ds-v2.0", "canal")
ENCAPSULATED = ("Always", "CrossSubnet")


@dataclass(frozen=True, slots=True)
class CniProduct:
    """A CNI that was recognized.

    `kind`: the preset of `cni.kind`; empty if its configuration was not enough. `evidence`: what it was recognized by.
    `facts`: keys of `cni` that its configuration gives. `overlay`: its tunnel, for one that needs no tunnel device.
    """

    name: str
    evidence: str
    kind: str = ""
    overlay: str = ""
    facts: Mapping[str, Finding] = field(default_factory=dict)


def find_product(inventory: Inventory) -> CniProduct | None:
    """Return the CNI; None if nothing that the API lists belongs to a known one."""
    for read in READERS:
        if found := read(inventory):
            return found
    return None


def _calico(inventory: Inventory) -> CniProduct | None:
    owner = inventory.find_daemon_set("calico-node")
    pools = [as_map(one.get("spec")) for one in inventory.objects.get("ippools", ())]
    annotated = any(key.startswith("projectcalico.org/") for node in inventory.nodes for key in node.annotations)
    if not (owner or pools or annotated):
        return None
    evidence = f"DaemonSet {owner}" if owner else "IPPools" if pools else "node annotations projectcalico.org/"
    used = [one for one in pools if one.get("disabled") is not True and ":" not in str(one.get("cidr"))]
    kind, masquerade = "", unknown("IPPools of crd.projectcalico.org are not readable (natOutgoing)")
    if used:
        modes = (text_of(used[0], "vxlanMode"), text_of(used[0], "ipipMode"))
        kind = (
            "calico-vxlan" if modes[0] in ENCAPSULATED else "calico-ipip" if modes[1] in ENCAPSULATED else "calico-bgp"
        )
        evidence += f"; IPPool {used[0].get('cidr')}: vxlanMode {modes[0] or 'Never'}, ipipMode {modes[1] or 'Never'}"
        natted = any(one.get("natOutgoing") is True for one in used)
        masquerade = Finding("egress" if natted else "none", f"natOutgoing: {str(natted).lower()} of Calico's IPPools")
    elif annotated:
        kind = _calico_by_annotation(inventory)
    return CniProduct("Calico", evidence, kind, facts={"masquerade": masquerade})


def _calico_by_annotation(inventory: Inventory) -> str:
    keys = {key for node in inventory.nodes for key in node.annotations}
    if "projectcalico.org/IPv4VXLANTunnelAddr" in keys:
        return "calico-vxlan"
    return "calico-ipip" if "projectcalico.org/IPv4IPIPTunnelAddr" in keys else ""


def _flannel(inventory: Inventory) -> CniProduct | None:
    owner = inventory.find_daemon_set(*FLANNEL_DAEMONS)
    annotated = {node.annotations.get(f"{FLANNEL}backend-type", "") for node in inventory.nodes} - {""}
    _, config = read_flannel_config(inventory)
    if not (owner or annotated or config):
        return None
    backend = (min(annotated) if annotated else "") or text_of(as_map(config.get("Backend")), "Type")
    k3s = any("+k3s" in node.kubelet or "+rke2" in node.kubelet for node in inventory.nodes)
    kinds = {"vxlan": "k3s" if k3s else "flannel-vxlan", "host-gw": "flannel-host-gw", "alloc": "vpc-routed"}
    where = f"DaemonSet {owner}" if owner else f"node annotation {FLANNEL}backend-type"
    overlay = "wireguard" if backend == "wireguard" else ""
    kind = kinds.get(backend.lower(), "flannel-vxlan" if overlay else "")
    return CniProduct(
        "flannel",
        f"{where}: backend {backend or 'not readable'}",
        kind,
        overlay,
        {"masquerade": _ip_masq(owner, k3s=k3s)},
    )


def read_flannel_config(inventory: Inventory) -> tuple[str, Raw]:
    """Return the name of flannel's ConfigMap and its net-conf.json; nothing if it was not read."""
    for name in FLANNEL_CONFIGS:
        try:
            return name, as_map(json.loads(inventory.config_maps[name]["net-conf.json"]))
        except (KeyError, ValueError, RecursionError):
            continue
    return "", {}


def _ip_masq(owner: PodOwner | None, *, k3s: bool) -> Finding:
    """Return flannel's masquerade: its flag --ip-masq."""
    if owner is None:
        why = "k3s has no DaemonSet of flannel" if k3s else "flannel's DaemonSet is not readable"
        return unknown(f"{why} (--ip-masq); measured by the run")
    masqueraded = bool(re.search(r"--?ip-masq(=true)?(\s|$)", " ".join(owner.arguments)))
    return Finding("flannel" if masqueraded else "none", f"--ip-masq is {'' if masqueraded else 'not '}set in {owner}")


def _aws(inventory: Inventory) -> CniProduct | None:
    owner = inventory.find_daemon_set("aws-node")
    if owner is None:
        return None
    environment = owner.environment
    outside = environment.get("AWS_VPC_K8S_CNI_EXTERNALSNAT", "false").lower() == "true"
    source = f"AWS_VPC_K8S_CNI_EXTERNALSNAT of {owner} is {str(outside).lower()}"
    facts = {"masquerade": Finding("none" if outside else "egress", source)}
    if excluded := [text for text in environment.get("AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS", "").split(",") if text]:
        facts["masquerade_except"] = Finding(excluded, f"AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS of {owner}")
    return CniProduct("Amazon VPC CNI", f"DaemonSet {owner}", "vpc-cni", facts=facts)


def _cilium(inventory: Inventory) -> CniProduct | None:
    config = inventory.config_maps.get("kube-system/cilium-config", {})
    owner = inventory.find_daemon_set("cilium", "anetd")
    if not (owner or config):
        return None
    mode = config.get("routing-mode") or ("native" if config.get("tunnel") == "disabled" else "")
    tunnel = "none" if mode == "native" else config.get("tunnel-protocol") or config.get("tunnel") or ""
    evidence = f"DaemonSet {owner}" if owner else "ConfigMap kube-system/cilium-config"
    masquerade = unknown("Cilium's masquerade has exceptions that depend on its mode; measured by the run")
    if config.get("enable-ipv4-masquerade") == "false":
        masquerade = Finding("none", "enable-ipv4-masquerade: false in ConfigMap kube-system/cilium-config")
    return CniProduct("Cilium", evidence, "cilium", tunnel or ("vxlan" if config else ""), {"masquerade": masquerade})


def _antrea(inventory: Inventory) -> CniProduct | None:
    owner = inventory.find_daemon_set("antrea-agent")
    if owner is None:
        return None
    text = inventory.config_maps.get("kube-system/antrea-config", {}).get("antrea-agent.conf", "")
    found = re.search(r"^\s*tunnelType:\s*\"?([a-z]+)", text, re.MULTILINE)
    encapsulated = not re.search(r"^\s*trafficEncapMode:\s*\"?(noEncap|networkPolicyOnly)", text, re.MULTILINE)
    overlay = (found[1] if found else "geneve") if encapsulated else "none"
    return CniProduct("Antrea", f"DaemonSet {owner}", "antrea", overlay, _not_read("Antrea"))


def _simple(inventory: Inventory) -> CniProduct | None:
    """Return a CNI that its DaemonSet alone shows."""
    for name, (product, kind, overlay) in BY_DAEMON_SET.items():
        if owner := inventory.find_daemon_set(name):
            return CniProduct(product, f"DaemonSet {owner}", kind, overlay, _not_read(product))
    return None


BY_DAEMON_SET = {
    "kindnet": ("kindnet", "kindnet", ""),
    "terway-eniip": ("terway", "terway-eniip", ""),
    "terway": ("terway", "terway-eniip", ""),
    "ovs-ovn": ("Kube-OVN", "ovn", "geneve"),
    "kube-ovn-cni": ("Kube-OVN", "ovn", "geneve"),
    "ovnkube-node": ("OVN-Kubernetes", "ovn", "geneve"),
    "sdn": ("OpenShift SDN", "", "vxlan"),
    "tke-bridge-agent": ("TKE GlobalRouter", "tke", ""),
    "tke-eni-agent": ("TKE VPC-CNI", "eni", ""),
    "kube-router": ("kube-router", "", ""),
    "weave-net": ("Weave Net", "", ""),
}


def _managed(inventory: Inventory) -> CniProduct | None:
    """Return the network of a managed cluster, by its nodes' labels and provider ids."""
    for node in inventory.nodes[:50]:
        if node.provider_id.startswith("gce://") and "cloud.google.com/gke-nodepool" in node.labels:
            return CniProduct("GKE", f"labels of node {node.name}", "gke", facts=_gke_masquerade(inventory))
        if node.provider_id.startswith("azure://") and "kubernetes.azure.com/cluster" in node.labels:
            plugin = node.labels.get("kubernetes.azure.com/podnetwork-type", "")
            kind = "azure-overlay" if plugin == "overlay" else "azure"
            return CniProduct("Azure CNI", f"labels of node {node.name}", kind, facts=_not_read("Azure CNI"))
        if any(key.startswith(CCE_LABELS) for key in node.labels):
            return CniProduct("Huawei CCE", f"labels of node {node.name}", "", facts=_not_read("Huawei CCE"))
    return None


CCE_LABELS = ("node.kubernetes.io/subnetid", "cce.cloud.com/")


def _gke_masquerade(inventory: Inventory) -> dict[str, Finding]:
    """Return GKE's masquerade: by the ip-masq-agent, if there is one."""
    text = inventory.config_maps.get("kube-system/ip-masq-agent", {}).get("config", "")
    found = re.findall(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/[0-9]+", text)
    if not found:
        return {"masquerade": unknown("no ConfigMap kube-system/ip-masq-agent is readable; measured by the run")}
    source = "nonMasqueradeCIDRs of ConfigMap kube-system/ip-masq-agent"
    return {"masquerade": Finding("egress", source), "masquerade_except": Finding(found, source)}


def _not_read(product: str) -> dict[str, Finding]:
    return {"masquerade": unknown(f"{product} has no setting for it that is read here; measured by the run")}


READERS: tuple[Callable[[Inventory], CniProduct | None], ...] = (
    *(_cilium, _aws, _antrea, _simple),
    *(_flannel, _calico, _managed),
)
