"""Clusters as their API lists them: managed ones and those that people install, shortened to what discovery reads.

Names, labels, annotations, flags and ConfigMaps are those of the products' manifests and documentation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.unit.support.node_output import NodeOutput

if TYPE_CHECKING:
    from tests.unit.support.fake_api import Api

Raw = dict[str, Any]
CONFIG = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"


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


def eks() -> SeededCluster:
    """EKS with the Amazon VPC CNI and an NLB of the AWS load balancer controller."""
    names = ("ip-10-0-4-233.ec2.internal", "ip-10-0-5-17.ec2.internal")
    addresses, pods = ("10.0.4.233", "10.0.5.17"), ("10.0.4.99", "10.0.5.88")
    outputs = {}
    for name, address, pod in zip(names, addresses, pods, strict=True):
        subnet = f"10.0.{address.split('.')[2]}"
        routes = (("0.0.0.0/0", "eth0", f"{subnet}.1"), (f"{subnet}.0/24", "eth0", ""), (f"{pod}/32", "eni1", ""))
        config = {
            "mode": "iptables",
            "clusterCIDR": "",
            "iptables": {"masqueradeAll": False, "localhostNodePorts": None},
        }
        outputs[name] = NodeOutput(
            routes, (address,), config=config, rp_filter={"all": 0, "eth0": 2, "eni1": 1}, version="v1.29.4-eks-036c24b"
        )
    return SeededCluster(
        "v1.29.4-eks-036c24b",
        [
            node(
                name,
                address,
                version="v1.29.4-eks-036c24b",
                provider=f"aws:///us-east-1{zone}/i-0{zone}",
                labels={
                    "topology.kubernetes.io/zone": f"us-east-1{zone}",
                    "node.kubernetes.io/instance-type": "m5.large",
                },
                addresses=[{"type": "ExternalIP", "address": f"3.1.2.{number}"}],
            )
            for number, (name, address, zone) in enumerate(zip(names, addresses, "ab", strict=True), start=3)
        ],
        [
            daemon_set(
                "aws-node", AWS_VPC_K8S_CNI_EXTERNALSNAT="false", AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="10.1.0.0/16"
            ),
            daemon_set("kube-proxy", "602401143452.dkr.ecr.example/eks/kube-proxy:v1.29.3-minimal-eksbuild.2"),
        ],
        {"kube-system/kube-proxy-config": {"config": f"{CONFIG}mode: iptables\nclusterCIDR: ''\n"}},
        [
            service("kubernetes", cluster_ip="172.20.0.1"),
            service(
                "web",
                hostname="k8s-web-1.elb.us-east-1.amazonaws.com",
                cluster_ip="172.20.9.9",
                **{
                    "service.beta.kubernetes.io/aws-load-balancer-type": "external",
                    "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
                },
            ),
        ],
        outputs=outputs,
        pods=dict(zip(names, pods, strict=True)),
    )


def _bridged(
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


def _veth(
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


def _two(version: str = "v1.29.4", *, cidr: bool = True, **more: Any) -> list[Raw]:
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


def _other(number: int) -> int:
    return 3 - number


USUAL: Raw = {
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


def kubeadm_flannel_metallb() -> SeededCluster:
    """Kubeadm, flannel with its manifest, kube-proxy in IPVS mode, MetalLB in layer 2 mode."""
    config = USUAL | {"mode": "ipvs"}
    outputs = {
        f"n{one}": _bridged(
            one,
            away=(f"10.244.{_other(one)}.0/24", "flannel.1", f"10.244.{_other(one)}.0"),
            devices={"flannel.1": "vxlan"},
            local=(f"10.244.{one}.0", "10.96.0.1"),
            mode="ipvs",
            config=config,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        "v1.29.4",
        _two(annotations=({"flannel.alpha.coreos.com/backend-type": "vxlan"},) * 2),
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
        other = _other(one)
        gateway = tunnels[other] if mode == "vxlan" else f"192.168.1.1{other}"
        block = f"{tunnels[other]}/26"
        output = _veth(one, away=(block, device, gateway), devices={device: kind}, config=USUAL, local=(tunnels[one],))
        routes = tuple(
            (f"{pods[f'n{one}']}/32", "cali1", "") if name == "cali1" else (to, name, via)
            for to, name, via in output.routes
        )
        outputs[f"n{one}"] = NodeOutput(routes, output.local, output.devices, config=USUAL)
    key = "projectcalico.org/IPv4VXLANTunnelAddr" if mode == "vxlan" else "projectcalico.org/IPv4IPIPTunnelAddr"
    spec = {"cidr": "10.244.0.0/16", "natOutgoing": True}
    spec |= (
        {"vxlanMode": "Always", "ipipMode": "Never"}
        if mode == "vxlan"
        else {"vxlanMode": "Never", "ipipMode": "Always"}
    )
    return SeededCluster(
        "v1.29.4",
        _two(annotations=tuple({key: tunnels[one]} for one in (1, 2))),
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
        _two("v1.30.2", cidr=False),
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
        f"n{one}": _bridged(
            one,
            away=(f"10.244.{_other(one)}.0/24", "flannel.1", f"10.244.{_other(one)}.0"),
            devices={"flannel.1": "vxlan"},
            local=(f"10.244.{one}.0",),
            config=USUAL,
            version=version,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        version,
        _two(version, annotations=({"flannel.alpha.coreos.com/backend-type": "vxlan"},) * 2),
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
        f"n{one}": _veth(
            one,
            away=(f"10.244.{_other(one)}.0/24", "eth0", f"192.168.1.1{_other(one)}"),
            devices={},
            local=(f"10.244.{one}.1",),
            config=USUAL,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        "v1.29.4",
        _two(provider="kind://docker/kind/kind-worker"),
        [daemon_set("kindnet"), KUBE_PROXY],
        KUBEADM,
        [service("kubernetes", cluster_ip="10.96.0.1")],
        outputs=outputs,
        pods=PODS,
    )


def _by_network(config: Raw, **more: Any) -> dict[str, NodeOutput]:
    """Return two nodes with a bridge whose pods the network routes."""
    return {
        f"n{one}": _bridged(one, away=("10.244.0.0/16", "eth0", "192.168.1.1"), devices={}, config=config, **more)
        for one in (1, 2)
    }


def _veth_by_network(config: Raw | None, **more: Any) -> dict[str, NodeOutput]:
    """Return two nodes without a bridge whose pods the network routes."""
    return {
        f"n{one}": _veth(one, away=("10.244.0.0/16", "eth0", "192.168.1.1"), devices={}, config=config, **more)
        for one in (1, 2)
    }


def gke() -> SeededCluster:
    """GKE with kube-proxy as static pods, alias ranges, and its pass-through load balancer."""
    labels = {"cloud.google.com/gke-nodepool": "default-pool", "topology.kubernetes.io/zone": "europe-west1-b"}
    outputs = _veth_by_network(USUAL, version="v1.29.4-gke.1043002")
    for one in (1, 2):
        own = outputs[f"n{one}"]
        outputs[f"n{one}"] = NodeOutput(own.routes, (*own.local, f"10.244.{one}.1"), config=USUAL, version=own.version)
    return SeededCluster(
        "v1.29.4-gke.1043002",
        _two("v1.29.4-gke.1043002", labels=labels, provider="gce://project/europe-west1-b/gke-1"),
        [daemon_set("ip-masq-agent")],
        {"kube-system/ip-masq-agent": {"config": "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\n  - 192.168.0.0/16\n"}},
        [service("kubernetes", cluster_ip="10.52.0.1"), service("web", ip="34.1.2.3", cluster_ip="10.52.3.4")],
        outputs=outputs,
        pods=PODS,
    )


def aks() -> SeededCluster:
    """AKS with Azure CNI Overlay; kube-proxy gets flags."""
    labels = {"kubernetes.azure.com/cluster": "MC_x", "kubernetes.azure.com/podnetwork-type": "overlay"}
    flags = ["--cluster-cidr=10.244.0.0/16", "--detect-local-mode=ClusterCIDR", "--metrics-bind-address=0.0.0.0:10249"]
    return SeededCluster(
        "v1.29.4",
        _two(cidr=False, labels=labels, provider="azure:///subscriptions/x/vm_0"),
        [
            daemon_set("kube-proxy", "example/oss/kubernetes/kube-proxy:v1.29.4-hotfix.20240612", args=flags),
            daemon_set("azure-cns"),
        ],
        services=[service("kubernetes", cluster_ip="10.0.0.1"), service("web", ip="20.1.2.3", cluster_ip="10.0.3.4")],
        outputs=_veth_by_network(USUAL),
        pods=PODS,
    )


def ack_flannel() -> SeededCluster:
    """ACK with flannel (backend alloc): routes of the VPC, kube-proxy in IPVS mode, CLB."""
    outputs = _by_network(USUAL | {"mode": "ipvs"}, mode="ipvs")
    return SeededCluster(
        "v1.29.4-aliyun.1",
        _two("v1.29.4-aliyun.1", provider="cn-hangzhou.i-bp1x"),
        [daemon_set("kube-flannel-ds", args=["--ip-masq"]), KUBE_PROXY],
        {
            "kube-system/kube-flannel-cfg": {
                "net-conf.json": json.dumps({"Network": "10.244.0.0/16", "Backend": {"Type": "alloc"}})
            }
        },
        [service("kubernetes", cluster_ip="172.21.0.1"), service("web", ip="47.1.2.3", cluster_ip="172.21.3.4")],
        outputs=outputs,
        pods=PODS,
    )


def ack_terway() -> SeededCluster:
    """ACK with terway ENIIP: pods have addresses of the VPC, and are backends of the CLB."""
    outputs = {}
    for one in (1, 2):
        routes = (
            ("0.0.0.0/0", "eth0", "192.168.1.253"),
            ("192.168.1.0/24", "eth0", ""),
            (f"192.168.1.10{one}/32", "cali1", ""),
        )
        config = {"mode": "ipvs", "clusterCIDR": "192.168.0.0/16", "iptables": {}}
        outputs[f"n{one}"] = NodeOutput(routes, (f"192.168.1.1{one}",), mode="ipvs", config=config)
    annotations = {"service.beta.kubernetes.io/backend-type": "eni"}
    return SeededCluster(
        "v1.29.4-aliyun.1",
        _two("v1.29.4-aliyun.1", cidr=False, provider="alicloud://cn-hangzhou.i-bp1x"),
        [daemon_set("terway-eniip"), KUBE_PROXY],
        {"kube-system/eni-config": {"eni_conf": "{}"}},
        [
            service("kubernetes", cluster_ip="172.21.0.1"),
            service("web", ip="47.1.2.3", cluster_ip="172.21.3.4", **annotations),
        ],
        outputs=outputs,
        pods={"n1": "192.168.1.101", "n2": "192.168.1.102"},
    )


def tke() -> SeededCluster:
    """TKE GlobalRouter with a CLB that has a hostname."""
    return SeededCluster(
        "v1.26.1-tke.3",
        _two("v1.26.1-tke.3", provider="qcloud:///800002/ins-x"),
        [daemon_set("tke-bridge-agent"), KUBE_PROXY],
        services=[
            service("kubernetes", cluster_ip="172.16.252.1"),
            service("web", hostname="lb-x.example", cluster_ip="172.16.252.9"),
        ],
        outputs=_by_network(USUAL),
        pods=PODS,
    )


def cce() -> SeededCluster:
    """CCE VPC network with a dedicated ELB."""
    annotations = {"kubernetes.io/elb.class": "performance"}
    return SeededCluster(
        "v1.27.3-r0-27.0.1",
        _two("v1.27.3-r0-27.0.1", labels={"node.kubernetes.io/subnetid": "x"}),
        services=[
            service("kubernetes", cluster_ip="10.247.0.1"),
            service("web", ip="119.1.2.3", cluster_ip="10.247.3.4", **annotations),
        ],
        outputs=_by_network(USUAL),
        pods=PODS,
    )


def openshift() -> SeededCluster:
    """OpenShift with OVN-Kubernetes, which serves Services itself."""
    outputs = {
        f"n{one}": _veth(
            one,
            away=("10.244.0.0/16", "ovn-k8s-mp0", f"10.244.{one}.1"),
            devices={},
            local=(f"10.244.{one}.2",),
            config=None,
        )
        for one in (1, 2)
    }
    return SeededCluster(
        "v1.27.6+f67aeb3",
        _two("v1.27.6+f67aeb3", cidr=False),
        [daemon_set("ovnkube-node", namespace="openshift-ovn-kubernetes")],
        services=[service("kubernetes", cluster_ip="172.30.0.1")],
        objects={
            "/apis/config.openshift.io/v1/networks": [
                {"spec": {"serviceNetwork": ["172.30.0.0/16"], "clusterNetwork": [{"cidr": "10.244.0.0/14"}]}}
            ]
        },
        outputs=outputs,
        pods=PODS,
    )


CLUSTERS = {
    "eks": eks,
    "gke": gke,
    "aks": aks,
    "ack-flannel": ack_flannel,
    "ack-terway": ack_terway,
    "tke": tke,
    "cce": cce,
    "openshift": openshift,
    "k3s": k3s,
    "kubeadm-flannel-metallb": kubeadm_flannel_metallb,
    "kubeadm-calico-vxlan": lambda: kubeadm_calico("vxlan"),
    "kubeadm-calico-ipip": lambda: kubeadm_calico("ipip"),
    "cilium": cilium_strict,
    "kind": kind,
}
