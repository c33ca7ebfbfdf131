"""The declared cluster DNS.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from topologies.schema.network import Model
from topologies.schema.scalars import DNS_SUBDOMAIN, Accepted, Address

DOMAIN_LENGTH = 100  # leaves room for the name of a Service and of its namespace in the 253 characters of a DNS name
USUAL_INDEX = 10  # of kubeadm, GetDNSIP: the 10th address of the Services' range


class ClusterDns(Model):
    """The DNS server that answers for the names of Services, as the kubelets configure it in pods."""

    domain: Annotated[
        str,
        Field(pattern=DNS_SUBDOMAIN, max_length=DOMAIN_LENGTH),
        Accepted(f"a domain name in lower case, at most {DOMAIN_LENGTH} characters"),
    ] = "cluster.local"
    """kubelet's `clusterDomain`."""
    address: Address | None = None
    """kubelet's `clusterDNS`: the ClusterIP of Service kube-dns. Default: the 10th address of `service_cidr`."""


def _read_short(value: object) -> object:
    """Read `true` as the usual cluster DNS and `false` as none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


DeclaredDns = Annotated[ClusterDns | None, BeforeValidator(_read_short)]
