"""Kubernetes' terms for keys and values that a topology file names differently: what people paste from kubectl."""

from __future__ import annotations

from topologies.schema.complaints import squash

CHOSEN = "no such key: the API server chooses it"
TERMS = {
    "clusterCIDR": "cni.pod_cidr",
    "podSubnet": "cni.pod_cidr",
    "serviceSubnet": "service_cidr",
    "serviceClusterIPRange": "service_cidr",
    "kubeletVersion": "kubernetes",
    "internalIP": "nodes[].address",
    "nodeIP": "nodes[].address",
    "hostIP": "nodes[].address",
    "externalIP": "nodes[].public_address",
    "nodeName": "node",
    "containerPort": "workload.backends[].port",
    "targetPort": "workload.backends[].port",
    "selector": "workload.services[].app",
    "detectLocalMode": "proxy.detect_local",
}
CHOSEN_BY_API = ("clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort")


def is_chosen(key: str) -> bool:
    """Return whether the API server chooses it, so that no topology declares it."""
    return squash(key) in map(squash, CHOSEN_BY_API)


def meant_by(key: str) -> str:
    """Return the path of the key that Kubernetes' word stands for, or `node` for `nodeName`; empty if it is none."""
    return next((path for term, path in TERMS.items() if squash(term) == squash(key)), "")
