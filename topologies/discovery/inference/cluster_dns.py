"""The cluster's DNS, from the kubelets' configuration, kubeadm's ConfigMap and Service kube-dns. Pure.

A run asks Services by name only if its file declares `cluster_dns`. A discovered file has the line in a comment. So
the cells of a run are those of the standard matrix until the user adds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.discovery.findings import Finding, agreed, first_known, omitted
from topologies.discovery.inference.ranges import KUBEADM, read_kubeadm
from topologies.discovery.inventory import as_list

if TYPE_CHECKING:
    from topologies.discovery.inventory import Inventory

SERVICE = "kube-system/kube-dns"
CONFIGZ = "kubelet /configz"


def find_cluster_dns(inventory: Inventory) -> Finding:
    """Return the line that declares the cluster's DNS, as a comment, with its sources."""
    address, domain = _find_address(inventory), _find_domain(inventory)
    if not address:
        return omitted(f"cluster_dns: no kubelet's clusterDNS and no Service {SERVICE} is readable")
    if not domain:
        domain = Finding("DOMAIN", "no kubelet's clusterDomain is readable")
    sources = "; ".join(dict.fromkeys((address.source, domain.source)))
    line = f"cluster_dns: {{domain: {domain.value}, address: {address.value}}}"
    return omitted(f"{line} would also ask Services by name ({sources})")


def _find_address(inventory: Inventory) -> Finding | None:
    listed = {node: as_list(config.get("clusterDNS")) for node, config in inventory.kubelets.items()}
    service = next((one for one in inventory.services if str(one) == SERVICE and one.cluster_ips), None)
    return first_known(
        [
            agreed({node: addresses[0] for node, addresses in listed.items() if addresses}, CONFIGZ),
            Finding(str(service.cluster_ips[0]), f"ClusterIP of Service {SERVICE}") if service else None,
        ]
    )


def _find_domain(inventory: Inventory) -> Finding | None:
    domains = {
        node: config["clusterDomain"] for node, config in inventory.kubelets.items() if "clusterDomain" in config
    }
    written = read_kubeadm(inventory, "dnsDomain")
    named = Finding(written, f"ConfigMap {KUBEADM}, networking.dnsDomain") if isinstance(written, str) else None
    return first_known([agreed(domains, CONFIGZ), named])
