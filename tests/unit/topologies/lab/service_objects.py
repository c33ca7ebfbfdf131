"""Services and EndpointSlices as the API has them, and what our data plane decides for them on two nodes."""

from __future__ import annotations

from typing import Any

from tests.lab.data_plane.decisions import Client, Decision, ThisNode, decide_all
from tests.lab.data_plane.services import Kind, read_ports

N1 = ThisNode("n1", ("198.18.1.11",), "10.244.1.0/24")
N3 = ThisNode("n3", ("198.18.1.13",), "10.244.3.0/24")
WEB_A, WEB_B = ("10.244.1.5", "n1"), ("10.244.2.5", "n2")
CLUSTER_IP, LB_IP, EXTERNAL_IP = "10.96.0.5", "198.18.100.1", "198.18.101.1"


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}]
    balanced = {"loadBalancer": {"ingress": [{"ip": LB_IP, "ipMode": "VIP"}]}}
    given = {"type": "LoadBalancer", "clusterIP": CLUSTER_IP, "ports": ports, "externalIPs": [EXTERNAL_IP]}
    return {"metadata": {"namespace": "default", "name": name}, "spec": {**given, **spec}, "status": balanced}


def endpoint(address: str, node: str, **more: Any) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True}, **more}


def endpoint_slice(*endpoints: dict[str, Any], name: str = "web", port: int = 8080) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


BOTH = endpoint_slice(endpoint(*WEB_A), endpoint(*WEB_B))
TERMINATING: dict[str, Any] = {"conditions": {"ready": False, "serving": True, "terminating": True}}
LOCAL: dict[str, Any] = {"externalTrafficPolicy": "Local"}
INNER: dict[str, Any] = {"internalTrafficPolicy": "Local"}
AFFINITY = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 90}}}


def decisions(node: ThisNode, *slices: dict[str, Any], **spec: Any) -> dict[tuple[Kind, Client], Decision]:
    ports = read_ports([service(**spec)], slices, node.name)
    return {(one.kind, one.client): one for one in decide_all(ports, node)}
