"""Rules for ports of the node itself, where a host-network process may listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.connection import Disposition
from probes.oracle.expectation import Path
from probes.oracle.rule import Rule, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Connection

Listener = Path | Disposition


@rule("H1", "ip(7): a socket bound to INADDR_ANY is bound to all local addresses")
def host_listener(conn: Connection) -> Listener | None:
    """A host-network backend on the node answers if it listens on the port.

    It sees the source address with which the packet arrived.
    """
    snapshot = conn.cluster.snapshot
    for backend in conn.cluster.topology.workload.backends:
        if backend.host_network and backend.node == conn.packet.node and snapshot.port_of(backend) == conn.port:
            return Path(Outcome.OK, frozenset({conn.packet.source}), backend.name)
    return None


@rule("H2", "RFC 9293 3.10.7.1: a segment to a closed port is answered with RST")
def nobody_listens(_conn: Connection) -> Listener:
    """The kernel refuses connections to a port where no process listens (TCP RST)."""
    return Disposition.CLOSED


LISTENING: tuple[Rule[Listener], ...] = (host_listener, nobody_listens)
