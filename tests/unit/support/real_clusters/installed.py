"""Clusters that people install: kubeadm with flannel or Calico, Cilium, k3s, kind."""

from __future__ import annotations

from tests.unit.support.node_output import NodeOutput
from tests.unit.support.real_clusters.seeds import SeededCluster, daemon_set, service
from tests.unit.support.real_clusters.two_nodes import (
    CONFIG,
    KUBE_PROXY,
    KUBEADM,
    PODS,
    PROXY_CONFIG,
    bridged,
    other_node,
    routed_to_veth,
    two_nodes,
)


def kubeadm_flannel_metallb() -> SeededCluster:
    """Kubeadm, flannel with its manifest, kube-proxy in IPVS mode, MetalLB in layer 2 mode."""
    config = PROXY_CONFIG | {"mode": "ipvs"}
    outputs = {
        f"n{one}": bridged(
            one,
            away=(f"10.244.{other_node(one)}.0/24", "flannel.1", f"10.244.{other_node(one)}.0"),
            devices={"flannel.1": "vxlan"},
            local=(f"10.244.{one}.0", "10.96.0.1"),
            mode="ipvs",
            config=config,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        "v1.29.4",
        two_nodes(annotations=({"flannel.alpha.coreos.com/backend-type": "vxlan"},) * 2),
        [daemon_set("kube-flannel-ds", namespace="kube-flannel", args=["--ip-masq", "--kube-subnet-mgr"]), KUBE_PROXY],
        {
            "kube-system/kube-proxy": {"config.conf": f"{CONFIG}mode: ipvs\nclusterCIDR: 10.244.0.0/16\n"},
            "kube-system/kubeadm-config": KUBEADM["kube-system/kubeadm-config"],
        },
        [service("kubernetes", cluster_ip="10.96.0.1"), service("web", ip="192.168.1.240", cluster_ip="10.100.3.4")],
        {
            "/apis/metallb.io/v1beta1/ipaddresspools": [{"spec": {"addresses": ["192.168.1.240-192.168.1.250"]}}],
            "/apis/metallb.io/v1beta1/l2advertisements": [{"spec": {}}],
        },
        outputs=outputs,
        pods=PODS,
    )


def kubeadm_calico(mode: str) -> SeededCluster:
    """Kubeadm and Calico with its own IPAM; `mode`: vxlan or ipip."""
    device, kind = ("vxlan.calico", "vxlan") if mode == "vxlan" else ("tunl0", "")
    tunnels = {1: "10.244.71.128", 2: "10.244.33.64"}
    outputs, pods = {}, {"n1": "10.244.71.130", "n2": "10.244.33.66"}
    for one in (1, 2):
        other = other_node(one)
        gateway = tunnels[other] if mode == "vxlan" else f"192.168.1.1{other}"
        block = f"{tunnels[other]}/26"
        output = routed_to_veth(
            one, away=(block, device, gateway), devices={device: kind}, config=PROXY_CONFIG, local=(tunnels[one],)
        )
        routes = tuple(
            (f"{pods[f'n{one}']}/32", "cali1", "") if name == "cali1" else (to, name, via)
            for to, name, via in output.routes
        )
        outputs[f"n{one}"] = NodeOutput(routes, output.local, output.devices, config=PROXY_CONFIG)
    key = "projectcalico.org/IPv4VXLANTunnelAddr" if mode == "vxlan" else "projectcalico.org/IPv4IPIPTunnelAddr"
    spec = {"cidr": "10.244.0.0/16", "natOutgoing": True}
    spec |= (
        {"vxlanMode": "Always", "ipipMode": "Never"}
        if mode == "vxlan"
        else {"vxlanMode": "Never", "ipipMode": "Always"}
    )
    return SeededCluster(
        "v1.29.4",
        two_nodes(annotations=tuple({key: tunnels[one]} for one in (1, 2))),
        [daemon_set("calico-node"), KUBE_PROXY],
        KUBEADM,
        [service("kubernetes", cluster_ip="10.96.0.1")],
        {"/apis/crd.projectcalico.org/v1/ippools": [{"spec": spec}]},
        outputs=outputs,
        pods=pods,
    )


def cilium_strict() -> SeededCluster:
    """Cilium that replaces kube-proxy, VXLAN, cluster-pool IPAM."""
    outputs = {}
    for one in (1, 2):
        pods = ((f"10.0.{number}.0/24", "cilium_host", f"10.0.{one}.10") for number in (1, 2))
        routes = (("0.0.0.0/0", "eth0", "192.168.1.1"), ("192.168.1.0/24", "eth0", ""), *pods)
        local, devices = (f"192.168.1.1{one}", f"10.0.{one}.10"), {"cilium_vxlan": "vxlan"}
        outputs[f"n{one}"] = NodeOutput(routes, local, devices, config=None)
    data = {
        "kube-proxy-replacement": "true",
        "routing-mode": "tunnel",
        "tunnel-protocol": "vxlan",
        "ipam": "cluster-pool",
        "cluster-pool-ipv4-cidr": "10.0.0.0/16",
    }
    return SeededCluster(
        "v1.30.2",
        two_nodes("v1.30.2", cidr=False),
        [daemon_set("cilium")],
        {"kube-system/cilium-config": data},
        [service("kubernetes", cluster_ip="10.96.0.1")],
        outputs=outputs,
        pods={"n1": "10.0.1.77", "n2": "10.0.2.77"},
    )


def k3s() -> SeededCluster:
    """k3s with its built-in flannel and ServiceLB."""
    version = "v1.29.4+k3s1"
    outputs = {
        f"n{one}": bridged(
            one,
            away=(f"10.244.{other_node(one)}.0/24", "flannel.1", f"10.244.{other_node(one)}.0"),
            devices={"flannel.1": "vxlan"},
            local=(f"10.244.{one}.0",),
            config=PROXY_CONFIG,
            version=version,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        version,
        two_nodes(version, annotations=({"flannel.alpha.coreos.com/backend-type": "vxlan"},) * 2),
        [daemon_set("svclb-traefik-1")],
        services=[
            service("kubernetes", cluster_ip="10.43.0.1"),
            service("traefik", ip="192.168.1.11", cluster_ip="10.43.7.7"),
        ],
        objects={"/apis/networking.k8s.io/v1/servicecidrs": [{"spec": {"cidrs": ["10.43.0.0/16"]}}]},
        outputs=outputs,
        pods=PODS,
    )


def kind() -> SeededCluster:
    """Return kind: kindnet (ptp, no bridge), routes between the nodes, no balancer."""
    outputs = {
        f"n{one}": routed_to_veth(
            one,
            away=(f"10.244.{other_node(one)}.0/24", "eth0", f"192.168.1.1{other_node(one)}"),
            devices={},
            local=(f"10.244.{one}.1",),
            config=PROXY_CONFIG,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        "v1.29.4",
        two_nodes(provider="kind://docker/kind/kind-worker"),
        [daemon_set("kindnet"), KUBE_PROXY],
        KUBEADM,
        [service("kubernetes", cluster_ip="10.96.0.1")],
        outputs=outputs,
        pods=PODS,
    )
