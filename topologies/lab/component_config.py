"""Config files of kubelet and kube-proxy for a Kubernetes version, 1.20 to 1.37, from the table in component_flags.py.

Pure. Fields that the version does not have are dropped. A feature that a topology declares and the version does not
have is a VersionError.

Source: `staging/src/k8s.io/kubelet/config/v1beta1`, `staging/src/k8s.io/kube-proxy/config/v1alpha1` of kubernetes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topologies.lab.component_flags import FLAGS, Component, Flag, VersionError, arguments, known
from topologies.schema.enums import DetectLocal, KubeletRules, ProxyMode
from topologies.schema.network import kubelet_rules_by

if TYPE_CHECKING:
    from topologies.schema.topology import Node, Proxy, Topology, Version

__all__ = [
    "FLAGS",
    "Component",
    "Flag",
    "KubeletFiles",
    "VersionError",
    "arguments",
    "kubelet_config",
    "proxy_config",
]

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KubeletFiles:
    """The paths in a kubelet's config, as the node sees them."""

    client_ca: str
    certificate: str
    key: str
    resolv_conf: str = "/run/resolv.conf"
    volume_plugins: str = "/var/lib/kubelet/volumeplugins"
    runtime: str = "unix:///run/containerd/containerd.sock"


def kubelet_config(  # noqa: PLR0913 - by keyword, and with defaults that do
    version: Version,
    files: KubeletFiles,
    *,
    cgroup_v1: bool,
    rules: KubeletRules | None = None,
    dns: Config | None = None,
    quality_of_service: bool = True,
    status_every: str = "2s",
) -> Config:
    """Return a KubeletConfiguration for one node of the lab.

    Args:
        version: The kubelet's.
        files: The paths in it.
        cgroup_v1: Whether the machine has cgroup v1, which newer kubelets refuse by default.
        rules: The iptables rules that the kubelet writes; None for those of its version.
        dns: The fields for the cluster's DNS, from `cluster_dns_fields`.
        quality_of_service: Whether it has a cgroup for each QoS class; off if a cgroup v2 tree cannot be delegated.
        status_every: How often it reports the node's status.

    Raises:
        VersionError: A kubelet of this version does not write these rules.

    """
    values: Config = {
        **STEADY_KUBELET,
        "nodeStatusUpdateFrequency": status_every,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": files.client_ca},
        },
        "cgroupsPerQOS": quality_of_service,
        "enforceNodeAllocatable": ["pods"] if quality_of_service else [],
        "resolvConf": files.resolv_conf,
        "volumePluginDir": files.volume_plugins,
        **_kubelet_rules(version, rules or kubelet_rules_by(version)),
        **(dns or {}),
        "tlsCertFile": files.certificate,
        "tlsPrivateKeyFile": files.key,
        "containerRuntimeEndpoint": files.runtime,
        **({"failCgroupV1": False} if cgroup_v1 else {}),
    }
    return _document("kubelet.config.k8s.io/v1beta1", Component.KUBELET_CONFIG, version, values)


def cluster_dns_fields(topology: Topology) -> Config:
    """Return the fields by which a kubelet configures the cluster's DNS in pods; none if the topology has no DNS."""
    dns = topology.cluster_dns
    return {"clusterDNS": [str(topology.cluster_dns_address)], "clusterDomain": dns.domain} if dns else {}


def _kubelet_rules(version: Version, rules: KubeletRules) -> Config:
    """Return the fields by which a kubelet writes these rules. From 1.25 to 1.27 a feature gate decides on two sets."""
    if rules is KubeletRules.NONE or rules is kubelet_rules_by(version):
        return {"makeIPTablesUtilChains": rules is not KubeletRules.NONE}
    gate = {"featureGates.IPTablesOwnershipCleanup": rules is KubeletRules.MARTIANS}
    if not known(Component.KUBELET_CONFIG, version, gate):
        want = f"{kubelet_rules_by(version)} or {KubeletRules.NONE}"
        message = f"kubelet {version}: kernel.kubelet_rules: got {rules}, want {want}. Change the topology"
        raise VersionError(message)
    return {"makeIPTablesUtilChains": True, **gate}


STEADY_KUBELET: Config = {
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "failSwapOn": False,
    "evictionHard": dict.fromkeys(
        ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
    ),
    "imageGCHighThresholdPercent": 100,
    "featureGates.LocalStorageCapacityIsolation": False,
    "localStorageCapacityIsolation": False,
    "nodeLeaseDurationSeconds": 40,
    "serializeImagePulls": False,
    "readOnlyPort": 0,
    "oomScoreAdj": 0,
    "rotateCertificates": False,
    "maxPods": 60,
    "kubeAPIQPS": 50,
    "kubeAPIBurst": 100,
    "registryPullQPS": 0,
    "eventRecordQPS": 50,
}


# IPVS: a sync reads every Service from the kernel, which takes a second of a guest kernel's only processor.
PACE = {"minSyncPeriod": "100ms", "syncPeriod": "30s"}
PACES = {ProxyMode.IPVS: {"minSyncPeriod": "5s", "syncPeriod": "15m"}}
# 0 leaves the size of the connection table, which belongs to the machine. kube-proxy's defaults set a node's timeouts.
CONNTRACK = {"maxPerCore": 0, "min": 0}


def proxy_config(version: Version, topology: Topology, node: Node, kubeconfig: str) -> Config:
    """Return a KubeProxyConfiguration for one node, as the topology declares it.

    Raises:
        VersionError: The version does not have a declared feature.

    """
    proxy = topology.proxy_of(node.name)
    values: Config = {
        "mode": proxy.mode.value,
        "hostnameOverride": node.api_name,
        "oomScoreAdj": 0,
        "clientConnection": {"kubeconfig": kubeconfig},
        "conntrack": CONNTRACK,
        "nodePortAddresses": [str(network) for network in proxy.node_port_addresses],
        "healthzBindAddress": "0.0.0.0:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        **{f"{mode.value}.{key}": value for mode in ProxyMode for key, value in PACES.get(mode, PACE).items()},
        "iptables.masqueradeAll": proxy.masquerade_all,
        "iptables.localhostNodePorts": proxy.localhost_nodeports,
        "nftables.masqueradeAll": proxy.masquerade_all,
        **_feature_gates(proxy),
        **_detect_local(topology, proxy),
    }
    _check_features(version, values)
    return _document("kubeproxy.config.k8s.io/v1alpha1", Component.PROXY_CONFIG, version, values)


def _feature_gates(proxy: Proxy) -> Config:
    """Return the feature gates for the mode and for the keys that differ from the gates' defaults."""
    gates = {
        "NFTablesProxyMode": (proxy.mode is ProxyMode.NFTABLES, True),
        "KubeProxyNFTablesLocalhostNodePorts": (proxy.localhost_nodeport_proxy, True),
        "AllowServiceExternalIPs": (not proxy.allow_external_ips, False),
    }
    return {f"featureGates.{name}": value for name, (is_set, value) in gates.items() if is_set}


def _detect_local(topology: Topology, proxy: Proxy) -> Config:
    """Return the fields for detectLocalMode. In the lab the bridge is `cni0` and its ports are `veth...`."""
    kind = proxy.detect_local
    mode = {"detectLocalMode": kind.value}
    return {
        DetectLocal.NONE: {},
        DetectLocal.CLUSTER_CIDR: {**mode, "clusterCIDR": str(topology.cni.pod_cidr)},
        DetectLocal.NODE_CIDR: mode,
        DetectLocal.BRIDGE_INTERFACE: {**mode, "detectLocal.bridgeInterface": "cni0"},
        DetectLocal.INTERFACE_NAME_PREFIX: {**mode, "detectLocal.interfaceNamePrefix": "veth"},
    }[kind]


def _check_features(version: Version, values: Config) -> None:
    """Raise VersionError if a field would be dropped whose absence changes what kube-proxy does."""
    required = {
        "detectLocal.bridgeInterface": "detect_local: BridgeInterface",
        "detectLocal.interfaceNamePrefix": "detect_local: InterfaceNamePrefix",
        "featureGates.KubeProxyNFTablesLocalhostNodePorts": "localhost_nodeport_proxy: true",
        "featureGates.AllowServiceExternalIPs": "allow_external_ips: false",
    }
    if values["mode"] == ProxyMode.NFTABLES:
        required["nftables.syncPeriod"] = "mode: nftables"
    if not values["iptables.localhostNodePorts"]:
        required["iptables.localhostNodePorts"] = "localhost_nodeports: false"
    has = known(Component.PROXY_CONFIG, version, values)
    if missing := [feature for field, feature in required.items() if field in values and field not in has]:
        message = f"kube-proxy {version}: got {', '.join(missing)}, want a newer version for it. Change the topology"
        raise VersionError(message)


def _document(api: str, kind: Component, version: Version, values: Config) -> Config:
    document: Config = {"apiVersion": api, "kind": kind.value}
    for path, value in known(kind, version, values).items():
        *folders, name = path.split(".")
        place = document
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return document
