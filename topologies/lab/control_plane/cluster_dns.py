"""The API objects of the lab's cluster DNS: CoreDNS as a Deployment behind Service kube-dns, as kubeadm deploys it.

Pure. Its Corefile serves the cluster's domain and reverse names only. A query for any other name is REFUSED, so that no
query leaves the lab. Two replicas, as with kubeadm.

Source: kubeadm `cmd/kubeadm/app/phases/addons/dns/manifests.go`; CoreDNS `plugin/kubernetes/README.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from topologies.lab.build.images import COREDNS

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

NAMESPACE, ACCOUNT, ROLE, SERVICE = "kube-system", "coredns", "system:coredns", "kube-dns"
LABELS = {"k8s-app": "kube-dns"}
REPLICAS = 2
PORT, READY_PORT = 53, 8181
COREFILE = """\
{domain}:53 in-addr.arpa:53 ip6.arpa:53 {{
    errors
    health
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 30
    }}
    loadbalance
}}
"""
CORE = f"/api/v1/namespaces/{NAMESPACE}"
RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC_VERSION = f"{RBAC_GROUP}/v1"
RBAC = f"/apis/{RBAC_VERSION}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/{ACCOUNT}"
Object = dict[str, Any]


def list_objects(topology: Topology) -> list[tuple[str, Object]]:
    """Return the objects in the order in which they are created, each with the path of its collection."""
    return [
        (f"{CORE}/serviceaccounts", _named("v1", "ServiceAccount", ACCOUNT)),
        (f"{RBAC}/clusterroles", _named(RBAC_VERSION, "ClusterRole", ROLE) | {"rules": _rules()}),
        (f"{RBAC}/clusterrolebindings", _named(RBAC_VERSION, "ClusterRoleBinding", ROLE) | _binding()),
        (f"{CORE}/configmaps", _named("v1", "ConfigMap", ACCOUNT) | {"data": {"Corefile": corefile(topology)}}),
        (f"{CORE}/services", _named("v1", "Service", SERVICE) | {"spec": _service(topology)}),
        (DEPLOYMENTS, _named("apps/v1", "Deployment", ACCOUNT) | {"spec": _deployment()}),
    ]


def corefile(topology: Topology) -> str:
    """Return CoreDNS' configuration.

    Raises:
        LookupError: The topology declares no cluster DNS.

    """
    if topology.cluster_dns is None:
        message = f"topology {topology.name} declares no cluster_dns"
        raise LookupError(message)
    return COREFILE.format(domain=topology.cluster_dns.domain)


def is_available(deployment: Object) -> bool:
    """Return whether every replica of the Deployment is available."""
    return bool(deployment.get("status", {}).get("availableReplicas", 0) >= REPLICAS)


def _named(version: str, kind: str, name: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}}


def _rules() -> list[Object]:
    watched = {"": ["endpoints", "services", "pods", "namespaces"], "discovery.k8s.io": ["endpointslices"]}
    return [
        {"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]}
        for group, resources in watched.items()
    ]


def _binding() -> Object:
    role = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": ROLE}
    return {"roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]}


def _service(topology: Topology) -> Object:
    ports = [
        {"name": "dns" if protocol == "UDP" else "dns-tcp", "port": PORT, "targetPort": PORT, "protocol": protocol}
        for protocol in ("UDP", "TCP")
    ]
    return {"selector": LABELS, "clusterIP": str(topology.cluster_dns_address), "ports": ports}


def _deployment() -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": _pod()}
    return {"replicas": REPLICAS, "selector": {"matchLabels": LABELS}, "template": template}


def _pod() -> Object:
    return {
        "serviceAccountName": ACCOUNT,
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "priorityClassName": "system-cluster-critical",
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container()],
        "volumes": [{"name": "config", "configMap": {"name": ACCOUNT}}],
    }


def _container() -> Object:
    return {
        "name": "coredns",
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": READY_PORT},
            "periodSeconds": 1,
            "failureThreshold": 30,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
