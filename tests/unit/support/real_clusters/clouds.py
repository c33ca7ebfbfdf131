"""Managed clusters of AWS, Google, Azure and Red Hat."""

from __future__ import annotations

from tests.unit.support.node_output import NodeOutput
from tests.unit.support.real_clusters.seeds import Raw, SeededCluster, daemon_set, node, service
from tests.unit.support.real_clusters.two_nodes import (
    CONFIG,
    PODS,
    PROXY_CONFIG,
    routed_to_veth,
    two_nodes,
    veth_by_network,
)

EKS_VERSION = "v1.29.4-eks-036c24b"
EKS_NODES = (  # name, address, address of its pod, zone, ExternalIP
    ("ip-10-0-4-233.ec2.internal", "10.0.4.233", "10.0.4.99", "us-east-1a", "3.1.2.3"),
    ("ip-10-0-5-17.ec2.internal", "10.0.5.17", "10.0.5.88", "us-east-1b", "3.1.2.4"),
)


def eks() -> SeededCluster:
    """EKS with the Amazon VPC CNI and an NLB of the AWS load balancer controller."""
    cni = daemon_set("aws-node", AWS_VPC_K8S_CNI_EXTERNALSNAT="false", AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="10.1.0.0/16")
    image = "602401143452.dkr.ecr.example/eks/kube-proxy:v1.29.3-minimal-eksbuild.2"
    targets = {
        "service.beta.kubernetes.io/aws-load-balancer-type": "external",
        "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
    }
    hostname = "k8s-web-1.elb.us-east-1.amazonaws.com"
    return SeededCluster(
        EKS_VERSION,
        [_eks_node(name, address, zone, external) for name, address, _, zone, external in EKS_NODES],
        [cni, daemon_set("kube-proxy", image)],
        {"kube-system/kube-proxy-config": {"config": f"{CONFIG}mode: iptables\nclusterCIDR: ''\n"}},
        [
            service("kubernetes", cluster_ip="172.20.0.1"),
            service("web", hostname=hostname, cluster_ip="172.20.9.9", **targets),
        ],
        outputs={name: _eks_output(address, pod) for name, address, pod, *_ in EKS_NODES},
        pods={name: pod for name, _, pod, *_ in EKS_NODES},
    )


def _eks_node(name: str, address: str, zone: str, external: str) -> Raw:
    return node(
        name,
        address,
        version=EKS_VERSION,
        provider=f"aws:///{zone}/i-0{zone[-1]}",
        labels={"topology.kubernetes.io/zone": zone, "node.kubernetes.io/instance-type": "m5.large"},
        addresses=[{"type": "ExternalIP", "address": external}],
    )


def _eks_output(address: str, pod: str) -> NodeOutput:
    """Return a node that has its pod's address on a card of its own."""
    subnet = address.rpartition(".")[0]
    routes = (("0.0.0.0/0", "eth0", f"{subnet}.1"), (f"{subnet}.0/24", "eth0", ""), (f"{pod}/32", "eni1", ""))
    config = PROXY_CONFIG | {"mode": "iptables", "clusterCIDR": ""}
    return NodeOutput(
        routes, (address,), config=config, rp_filter={"all": 0, "eth0": 2, "eni1": 1}, version=EKS_VERSION
    )


def gke() -> SeededCluster:
    """GKE with kube-proxy as static pods, alias ranges, and its pass-through load balancer."""
    labels = {"cloud.google.com/gke-nodepool": "default-pool", "topology.kubernetes.io/zone": "europe-west1-b"}
    outputs = veth_by_network(PROXY_CONFIG, version="v1.29.4-gke.1043002")
    for one in (1, 2):
        own = outputs[f"n{one}"]
        outputs[f"n{one}"] = NodeOutput(
            own.routes, (*own.local, f"10.244.{one}.1"), config=PROXY_CONFIG, version=own.version
        )
    return SeededCluster(
        "v1.29.4-gke.1043002",
        two_nodes("v1.29.4-gke.1043002", labels=labels, provider="gce://project/europe-west1-b/gke-1"),
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
        two_nodes(cidr=False, labels=labels, provider="azure:///subscriptions/x/vm_0"),
        [
            daemon_set("kube-proxy", "example/oss/kubernetes/kube-proxy:v1.29.4-hotfix.20240612", args=flags),
            daemon_set("azure-cns"),
        ],
        services=[service("kubernetes", cluster_ip="10.0.0.1"), service("web", ip="20.1.2.3", cluster_ip="10.0.3.4")],
        outputs=veth_by_network(PROXY_CONFIG),
        pods=PODS,
    )


def openshift() -> SeededCluster:
    """OpenShift with OVN-Kubernetes, which serves Services itself."""
    outputs = {
        f"n{one}": routed_to_veth(
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
        two_nodes("v1.27.6+f67aeb3", cidr=False),
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
