"""The standard workload: echo pods on some nodes and not on others, a Service for every policy, and who asks.

A topology file without `workload` gets it. Pure; raw dicts, so that one validator checks both.
"""

from __future__ import annotations

import re
from typing import Any

Raw = dict[str, Any]
SHORT = 20  # characters of a name that vantages are called after
SHORT_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def standard(nodes: list[str], external: list[str], ssh_nodes: list[str], external_ips: list[str]) -> Raw:
    """Return the workload for these nodes: echo pods on the first two of four (the first of two), none on the rest.

    `external_ips`: two addresses for the externalIPs Services; without them those Services are left out.
    """
    used_nodes = nodes[: max(1, min(2, len(nodes) // 2))]
    empty = [node for node in nodes if node not in used_nodes]
    return {
        "backends": _backends(used_nodes),
        "services": _services(external_ips),
        "vantages": _vantages(
            [used_nodes[0], *empty[:1]], ssh_nodes[-1:], short_names(nodes, "n"), short_names(external, "e")
        ),
    }


def short_names(names: list[str], letter: str) -> dict[str, str]:
    """Map each name to the short name that vantages use: itself if all are short DNS labels, else n1, n2 … by position.

    A vantage's name is a pod's, part of cell ids and of what people type; a node's may be a long DNS subdomain.
    On a node named `a` the vantage `host-a` would have the name of a backend.
    """
    if all(len(name) <= SHORT and re.fullmatch(SHORT_LABEL, name) and name != "a" for name in names):
        return {name: name for name in names}
    return {name: f"{letter}{position}" for position, name in enumerate(names, start=1)}


def _backends(used_nodes: list[str]) -> list[Raw]:
    web = [
        {"name": f"web-{letter}", "app": "web", "node": node} for letter, node in zip("ab", used_nodes, strict=False)
    ]
    host = {"name": "host-a", "app": "host", "node": used_nodes[-1], "host_network": True, "port": 9090}
    return [*web, host]


def _services(external_ips: list[str]) -> list[Raw]:
    services: list[Raw] = [
        {"name": "web", "app": "web", "type": "ClusterIP"},
        {"name": "host", "app": "host", "type": "ClusterIP"},
        {"name": "web-affinity", "app": "web", "type": "ClusterIP", "session_affinity": "ClientIP"},
    ]
    for app in ("web", "host", "none"):
        for suffix, policy in (("", "Cluster"), ("-local", "Local")):
            shared = {"app": app, "external_traffic_policy": policy}
            services.append({"name": f"{app}-lb{suffix}", "type": "LoadBalancer", **shared})
            if app != "none":
                services.append({"name": f"{app}-np{suffix}", "type": "NodePort", **shared})
    for address, (suffix, policy) in zip(external_ips, (("", "Cluster"), ("-local", "Local")), strict=False):
        exposed: Raw = {"app": "web", "external_traffic_policy": policy, "external_ips": [address]}
        services.append({"name": f"web-xip{suffix}", "type": "NodePort", **exposed})
    return services


def _vantages(
    used_nodes: list[str], ssh_nodes: list[str], nodes: dict[str, str], external: dict[str, str]
) -> list[Raw]:
    """Return pods and hostNetwork pods on nodes with and without an endpoint, an echo pod as client, and SSH hosts."""
    vantages: list[Raw] = []
    for node in used_nodes:
        vantages.append({"name": f"pod-{nodes[node]}", "kind": "pod", "node": node})
        vantages.append({"name": f"host-{nodes[node]}", "kind": "node", "node": node})
    vantages.append({"name": "self-web-a", "kind": "backend", "node": used_nodes[0], "backend": "web-a"})
    vantages.extend({"name": f"ssh-{nodes[node]}", "kind": "ssh", "node": node} for node in ssh_nodes)
    vantages.extend({"name": f"ext-{alias}", "kind": "external", "external": host} for host, alias in external.items())
    return vantages
