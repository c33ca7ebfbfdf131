"""Managed clusters of Alibaba, Tencent and Huawei."""

from __future__ import annotations

import json

from tests.unit.support.node_output import NodeOutput
from tests.unit.support.real_clusters.seeds import SeededCluster, daemon_set, service
from tests.unit.support.real_clusters.two_nodes import (
    KUBE_PROXY,
    PODS,
    PROXY_CONFIG,
    bridged_by_network,
    two_nodes,
)


def ack_flannel() -> SeededCluster:
    """ACK with flannel (backend alloc): routes of the VPC, kube-proxy in IPVS mode, CLB."""
    outputs = bridged_by_network(PROXY_CONFIG | {"mode": "ipvs"}, mode="ipvs")
    return SeededCluster(
        "v1.29.4-aliyun.1",
        two_nodes("v1.29.4-aliyun.1", provider="cn-hangzhou.i-bp1x"),
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
        two_nodes("v1.29.4-aliyun.1", cidr=False, provider="alicloud://cn-hangzhou.i-bp1x"),
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
        two_nodes("v1.26.1-tke.3", provider="qcloud:///800002/ins-x"),
        [daemon_set("tke-bridge-agent"), KUBE_PROXY],
        services=[
            service("kubernetes", cluster_ip="172.16.252.1"),
            service("web", hostname="lb-x.example", cluster_ip="172.16.252.9"),
        ],
        outputs=bridged_by_network(PROXY_CONFIG),
        pods=PODS,
    )


def cce() -> SeededCluster:
    """CCE VPC network with a dedicated ELB."""
    annotations = {"kubernetes.io/elb.class": "performance"}
    return SeededCluster(
        "v1.27.3-r0-27.0.1",
        two_nodes("v1.27.3-r0-27.0.1", labels={"node.kubernetes.io/subnetid": "x"}),
        services=[
            service("kubernetes", cluster_ip="10.247.0.1"),
            service("web", ip="119.1.2.3", cluster_ip="10.247.3.4", **annotations),
        ],
        outputs=bridged_by_network(PROXY_CONFIG),
        pods=PODS,
    )
