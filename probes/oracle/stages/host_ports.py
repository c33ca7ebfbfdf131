"""A port of the node itself: whatever process of its network listens there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.observation import Outcome
from probes.oracle.connection import Fate
from probes.oracle.expectation import Path
from probes.oracle.rule import Rule, rule

if TYPE_CHECKING:
    from probes.oracle.connection import Flow

Listener = Path | Fate


@rule("H1", "kernel: a socket bound to 0.0.0.0 has every local address (datapath-rules R8)")
def host_listener(flow: Flow) -> Listener | None:
    """A hostNetwork backend of the node that listens on that port answers as itself, and sees the packet as it came."""
    for backend in flow.world.topology.workload.backends:
        if backend.host_network and backend.node == flow.packet.node and backend.port == flow.port:
            return Path(Outcome.OK, frozenset({flow.packet.source}), backend.name)
    return None


@rule("H2", "kernel: RST")
def nobody_listens(_flow: Flow) -> Listener:
    """A port where nobody listens is closed."""
    return Fate.CLOSED


LISTENING: tuple[Rule[Listener], ...] = (host_listener, nobody_listens)
