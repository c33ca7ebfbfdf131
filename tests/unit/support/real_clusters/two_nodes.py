"""Two nodes n1 and n2 at 192.168.1.1N with pods in 10.244.N.0/24, and what their probe pods print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.support.node_output import NodeOutput
from tests.unit.support.real_clusters.seeds import daemon_set, node

if TYPE_CHECKING:
    from tests.unit.support.real_clusters.seeds import Raw

CONFIG = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

PROXY_CONFIG: Raw = {
    "mode": "",
    "clusterCIDR": "10.244.0.0/16",
    "iptables": {"masqueradeAll": False, "localhostNodePorts": None},
}

PODS = {"n1": "10.244.1.9", "n2": "10.244.2.9"}

KUBE_PROXY = daemon_set("kube-proxy", "example/kube-proxy:v1.29.4")

KUBEADM = {
    "kube-system/kube-proxy": {"config.conf": f"{CONFIG}mode: ''\nclusterCIDR: 10.244.0.0/16\n"},
    "kube-system/kubeadm-config": {
        "ClusterConfiguration": "networking:\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/12\n"
    },
}


def other_node(number: int) -> int:
    return 3 - number


def two_nodes(version: str = "v1.29.4", *, cidr: bool = True, **more: Any) -> list[Raw]:
    """Return two nodes n1 and n2."""
    annotations = more.pop("annotations", ({}, {}))
    return [
        node(
            f"n{one}",
            f"192.168.1.1{one}",
            cidr=f"10.244.{one}.0/24" if cidr else "",
            version=version,
            annotations=annotations[one - 1],
            **more,
        )
        for one in (1, 2)
    ]


def bridged(
    number: int, *, away: tuple[str, str, str], devices: dict[str, str], config: Raw | None, **more: Any
) -> NodeOutput:
    """Return node `number` of two at 192.168.1.1N with a bridge cni0 for 10.244.N.0/24."""
    routes = (
        ("0.0.0.0/0", "eth0", "192.168.1.1"),
        ("192.168.1.0/24", "eth0", ""),
        (f"10.244.{number}.0/24", "cni0", ""),
        away,
    )
    ports = {"veth1": ("cni0", 1)}
    local = (f"192.168.1.1{number}", f"10.244.{number}.1", *more.pop("local", ()))
    return NodeOutput(routes, local, {"cni0": "bridge", **devices}, ports, config=config, **more)


def routed_to_veth(
    number: int, *, away: tuple[str, str, str], devices: dict[str, str], config: Raw | None, **more: Any
) -> NodeOutput:
    """Return node `number` of two at 192.168.1.1N, without a bridge: a /32 route for its pod 10.244.N.9."""
    routes = (
        ("0.0.0.0/0", "eth0", "192.168.1.1"),
        ("192.168.1.0/24", "eth0", ""),
        (f"10.244.{number}.9/32", "cali1", ""),
        away,
    )
    return NodeOutput(routes, (f"192.168.1.1{number}", *more.pop("local", ())), devices, config=config, **more)


def bridged_by_network(config: Raw, **more: Any) -> dict[str, NodeOutput]:
    """Return two nodes with a bridge whose pods the network routes."""
    return {
        f"n{one}": bridged(one, away=("10.244.0.0/16", "eth0", "192.168.1.1"), devices={}, config=config, **more)
        for one in (1, 2)
    }


def veth_by_network(config: Raw | None, **more: Any) -> dict[str, NodeOutput]:
    """Return two nodes without a bridge whose pods the network routes."""
    return {
        f"n{one}": routed_to_veth(one, away=("10.244.0.0/16", "eth0", "192.168.1.1"), devices={}, config=config, **more)
        for one in (1, 2)
    }
