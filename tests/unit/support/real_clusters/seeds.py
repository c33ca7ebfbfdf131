"""A cluster to seed into the fake API server, and the objects that its API lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.support.fake_api import Api
    from tests.unit.support.node_output import NodeOutput

Raw = dict[str, Any]


@dataclass
class SeededCluster:
    """A cluster: what its API lists, and what the probe pods print and get as address, by node."""

    version: str
    nodes: list[Raw]
    daemon_sets: list[Raw] = field(default_factory=list)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    services: list[Raw] = field(default_factory=list)
    objects: dict[str, list[Raw]] = field(default_factory=dict)
    static_pods: list[Raw] = field(default_factory=list)
    service_range: str = ""
    outputs: dict[str, NodeOutput] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)

    def seed(self, api: Api) -> None:
        """Put everything into the API server."""
        api.version, api.service_range = self.version, self.service_range
        for path, items in (
            ("/api/v1/nodes", self.nodes),
            ("/apis/apps/v1/daemonsets", self.daemon_sets),
            ("/api/v1/services", self.services),
            ("/api/v1/namespaces/kube-system/pods", self.static_pods),
            *self.objects.items(),
        ):
            api.collections[path] = items
        for name, data in self.config_maps.items():
            namespace, _, own = name.partition("/")
            path = f"/api/v1/namespaces/{namespace}/configmaps/{own}"
            api.objects[path] = {"metadata": {"name": own, "namespace": namespace}, "data": data}


def node(name: str, address: str, *, cidr: str = "", version: str = "v1.29.4", **more: Any) -> Raw:
    """Return a Node. `more`: provider, labels, annotations, taints, addresses, os, arch, ready."""
    addresses = [{"type": "InternalIP", "address": address}] if address else []
    spec: Raw = {"providerID": more["provider"]} if "provider" in more else {}
    if cidr:
        spec |= {"podCIDR": cidr, "podCIDRs": [cidr]}
    if taint := more.get("taint"):
        key, _, effect = taint.rpartition(":")
        spec["taints"] = [{"key": key, "effect": effect}]
    info = {
        "kubeletVersion": version,
        "kernelVersion": more.get("kernel", "6.1.0"),
        "architecture": more.get("arch", "amd64"),
    }
    info["operatingSystem"] = more.get("os", "linux")
    ready = "True" if more.get("ready", True) else "False"
    return {
        "metadata": {"name": name, "labels": more.get("labels", {}), "annotations": more.get("annotations", {})},
        "spec": spec | ({"unschedulable": True} if more.get("cordoned") else {}),
        "status": {
            "addresses": addresses + more.get("addresses", []),
            "nodeInfo": info,
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletNotReady"}],
        },
    }


def daemon_set(
    name: str, image: str = "x:1", *, namespace: str = "kube-system", args: list[str] | None = None, **env: str
) -> Raw:
    """Return a DaemonSet with one container."""
    listed = [{"name": key, "value": text} for key, text in env.items()]
    container = {"name": name, "image": image, "args": args or [], "env": listed}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {}},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def service(
    name: str, *, ip: str = "", hostname: str = "", mode: str = "", cluster_ip: str = "", **annotations: str
) -> Raw:
    """Return a Service; with an ip or a hostname it is of type LoadBalancer and served."""
    entry = {key: text for key, text in (("ip", ip), ("hostname", hostname), ("ipMode", mode)) if text}
    kind = "LoadBalancer" if entry else "ClusterIP"
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"type": kind, "clusterIP": cluster_ip},
        "status": {"loadBalancer": {"ingress": [entry] if entry else []}},
    }
