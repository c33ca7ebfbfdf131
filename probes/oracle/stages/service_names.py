"""Rules for the names of Services in the cluster's DNS: the address that a client connects to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.oracle.connection import Disposition
from probes.oracle.rule import Rule, rule
from topologies.frontends import FrontendKind

if TYPE_CHECKING:
    from probes.oracle.connection import Connection

Named = FrontendKind | Disposition  # the frontend whose address a name gives, or how the attempt ends


@rule("S1", "kubernetes/dns docs/specification.md 2.3.1: A record of a Service with ClusterIP")
def name_gives_cluster_ip(_conn: Connection) -> Named:
    """The DNS name of a Service gives its ClusterIP, so the connection is one to the ClusterIP.

    This does not depend on the client, the Service's type or its endpoints.
    """
    return FrontendKind.CLUSTER_IP


NAMES: tuple[Rule[Named], ...] = (name_gives_cluster_ip,)
