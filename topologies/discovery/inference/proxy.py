"""kube-proxy's settings from what it reports itself, from its ConfigMap and from its flags; which program serves. Pure.

A running kube-proxy's own report counts most: a ConfigMap may be newer than the process, and `mode` may be empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from topologies.cluster_state.proxy_facts import settings_of
from topologies.discovery.findings import Finding, agreed, first_known, omitted, unknown
from topologies.schema.enums import ProxyKind
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from topologies.cluster_state.proxy_facts import ProxyFacts
    from topologies.discovery.inventory import Inventory, PodOwner
    from topologies.discovery.node_facts import NodeFacts

Findings = dict[str, Finding]
DEFAULT_MODE = "iptables"  # of an empty `mode` on Linux (pkg/proxy/apis/config/v1alpha1/defaults.go)
CONFIG_MAPS = ("kube-system/kube-proxy", "kube-system/kube-proxy-config")
CONFIG_KEYS = ("config.conf", "config")
GATES = ("localhost_nodeport_proxy", "allow_external_ips")  # in the file only if the configuration sets them
KEYS = ("mode", "version", "detect_local", "masquerade_all", "node_port_addresses", "localhost_nodeports")
REPORTED = "kube-proxy's 127.0.0.1:10249"
PLACES = {"mode": f"{REPORTED}/proxyMode", "version": f"{REPORTED}/metrics"}
FLAGS = {
    "mode": "proxy-mode",
    "clusterCIDR": "cluster-cidr",
    "detectLocalMode": "detect-local-mode",
    "nodePortAddresses": "nodeport-addresses",
}
_TAG = re.compile(r":(v?[0-9]+\.[0-9]+\.[0-9]+)[-+.0-9A-Za-z_]*(?:@|$)")


def find_proxy(inventory: Inventory, facts: Mapping[str, NodeFacts]) -> Findings:
    """Return the findings for the section `proxy`."""
    if other := find_replacement(inventory):
        return {"kind": Finding(str(other.kind), other.evidence)}
    reported = {name: one.proxy for name, one in facts.items()}
    configured, where = _configured(inventory)
    found = {}
    for key in KEYS:
        own = agreed({name: value for name, one in reported.items() if (value := value_of(one, key)) is not None}, "")
        if own:
            own = Finding(own.value, f"{PLACES.get(key, f'{REPORTED}/configz')}{own.source}")
        settled = Finding(configured[key], where) if configured.get(key) is not None else None
        found[key] = first_known([own, settled, _by_version(inventory) if key == "version" else None]) or _missing(
            key, inventory, reported
        )
    return found | _find_gates(reported, configured, where)


def _find_gates(reported: Mapping[str, ProxyFacts], configured: Mapping[str, object], where: str) -> Findings:
    """Return the feature gates that kube-proxy's configuration sets."""
    found = {}
    for key in GATES:
        own = {name: value for name, one in reported.items() if (value := value_of(one, key)) is not None}
        if finding := agreed(own, f"featureGates of {REPORTED}/configz"):
            found[key] = finding
        elif configured.get(key) is not None:
            found[key] = Finding(configured[key], f"featureGates of {where}")
    return found


def find_cluster_cidrs(inventory: Inventory, facts: Mapping[str, NodeFacts]) -> Finding | None:
    """Return kube-proxy's cluster CIDRs; None if they were not read."""
    reported = {name: one.proxy.cluster_cidrs for name, one in facts.items() if one.proxy.cluster_cidrs is not None}
    if found := agreed(reported, f"clusterCIDR of {REPORTED}/configz"):
        return found
    configured, where = _configured(inventory)
    return Finding(configured["cluster_cidrs"], where) if configured.get("cluster_cidrs") else None


def find_own(facts: ProxyFacts, common: Findings) -> Findings:
    """Return the keys in which a node's kube-proxy differs from the cluster's usual one; none of another data plane."""
    if "kind" in common:
        return {}
    return {
        key: Finding(value, f"{PLACES.get(key, f'{REPORTED}/configz')} on this node")
        for key in (*KEYS, *GATES)
        if (value := value_of(facts, key)) is not None and not (key in common and value == common[key].value)
    }


def value_of(facts: ProxyFacts, key: str) -> object:
    """Return what a kube-proxy reports for a key of the topology; None if it was not read."""
    if key == "detect_local":
        return _detect_local(facts.detect_local, facts.cluster_cidrs)
    value = getattr(facts, key)
    if key == "version":
        return _release(value or "")
    return list(value) if isinstance(value, tuple) else value


def _release(text: str) -> str | None:
    """Return `1.29.4` of `v1.29.4-eks-036c24b`; None if it is no version."""
    try:
        return str(Version.parse(text))
    except ValueError:
        return None


def _detect_local(mode: str | None, cidrs: object) -> str | None:
    """Return the mode; ClusterCIDR without a range is none (cmd/kube-proxy/app/server_linux.go: getLocalDetectors)."""
    return "none" if mode == "ClusterCIDR" and not cidrs else mode


def _configured(inventory: Inventory) -> tuple[dict[str, Any], str]:
    """Return the settings of the ConfigMap, or of the flags, and where they were found."""
    for name in CONFIG_MAPS:
        for key in CONFIG_KEYS:
            if text := inventory.config_maps.get(name, {}).get(key):
                return _settings(_yaml(text)), f"ConfigMap {name}, {key}"
    for owner in _owners(inventory):
        if flags := _flags(owner):
            return _settings(flags), f"flags of {owner}"
    return {}, ""


def _owners(inventory: Inventory) -> Iterator[PodOwner]:
    for one in (*inventory.daemon_sets, *inventory.static_pods):
        if one.name.startswith("kube-proxy") and "windows" not in one.name:
            yield one


def _flags(owner: PodOwner) -> dict[str, Any]:
    text = " ".join(owner.arguments)
    found: dict[str, Any] = {}
    for key, flag in FLAGS.items():
        if match := re.search(rf"--{flag}[= ]([^\s\"']+)", text):
            found[key] = match[1].split(",") if key == "nodePortAddresses" else match[1]
    if re.search(r"--masquerade-all(=true)?(\s|$)", text):
        found["iptables"] = {"masqueradeAll": True}
    return found


def _settings(config: object) -> dict[str, Any]:
    """Return the values of a KubeProxyConfiguration; an empty mode is the default's."""
    if not config:
        return {}
    found = settings_of(config)
    cidrs = found.get("cluster_cidrs")
    return {
        **found,
        "mode": found.get("mode") or DEFAULT_MODE,
        "detect_local": _detect_local(found.get("detect_local"), cidrs),
        "node_port_addresses": list(found.get("node_port_addresses") or ()),
        "cluster_cidrs": cidrs,
    }


def _yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _by_version(inventory: Inventory) -> Finding | None:
    """Return kube-proxy's version by its image, or by the kubelet's where one program contains both (k3s)."""
    for owner in _owners(inventory):
        for one in owner.containers:
            if match := _TAG.search(one.image):
                return Finding(_release(match[1]), f"image of {owner}")
    kubelets = {node.kubelet for node in inventory.nodes if "+k3s" in node.kubelet or "+rke2" in node.kubelet}
    if len(kubelets) == 1:
        return Finding(_release(kubelets.pop()), "kubelet's version: one program contains kubelet and kube-proxy (k3s)")
    return None


def _missing(key: str, inventory: Inventory, reported: Mapping[str, ProxyFacts]) -> Finding:
    """Return why a setting is unknown; a flag that this kube-proxy does not have is not written."""
    if key == "localhost_nodeports" and any(one.detect_local for one in reported.values()):
        return omitted("localhost_nodeports: kube-proxy has no such setting before 1.26")
    refused = inventory.why_unread("ConfigMaps of kube-system")
    config = f"ConfigMap kube-system/kube-proxy: {refused}" if refused else "no ConfigMap kube-system/kube-proxy"
    probe = f"{REPORTED} does not answer" if reported else "no probe pod ran"
    return unknown(f"not readable: {probe}; {config}")


@dataclass(frozen=True, slots=True)
class Replacement:
    """A data plane that serves Services in place of kube-proxy, and where it was found."""

    kind: ProxyKind
    evidence: str


def find_replacement(inventory: Inventory) -> Replacement | None:
    """Return which data plane serves Services in place of kube-proxy; None if none was found."""
    cilium = inventory.config_maps.get("kube-system/cilium-config", {})
    if (mode := cilium.get("kube-proxy-replacement", "")) in {"true", "strict"}:
        evidence = f"Cilium (kube-proxy-replacement: {mode} in ConfigMap kube-system/cilium-config)"
        return Replacement(ProxyKind.CILIUM, evidence)
    for name, (kind, product, is_serving) in REPLACEMENTS.items():
        if (one := inventory.find_daemon_set(name)) and is_serving(one):
            return Replacement(kind, f"{product} (DaemonSet {one})")
    antrea = inventory.config_maps.get("kube-system/antrea-config", {}).get("antrea-agent.conf", "")
    if re.search(r"^\s*proxyAll:\s*true", antrea, re.MULTILINE):
        return Replacement(ProxyKind.ANTREA, "Antrea (proxyAll: true in ConfigMap kube-system/antrea-config)")
    return None


def _has_ebpf(owner: PodOwner) -> bool:
    return any(one.environment.get("FELIX_BPFENABLED", "").lower() == "true" for one in owner.containers)


def _proxies_services(owner: PodOwner) -> bool:
    return "--run-service-proxy=false" not in owner.arguments


def _always(_: PodOwner) -> bool:
    return True


REPLACEMENTS: dict[str, tuple[ProxyKind, str, Callable[[PodOwner], bool]]] = {
    "anetd": (ProxyKind.CILIUM, "GKE Dataplane V2", _always),
    "ovnkube-node": (ProxyKind.OVN_KUBERNETES, "OVN-Kubernetes", _always),
    "calico-node": (ProxyKind.CALICO_EBPF, "Calico eBPF, FELIX_BPFENABLED", _has_ebpf),
    "kube-router": (ProxyKind.KUBE_ROUTER, "kube-router, --run-service-proxy", _proxies_services),
}
