"""What a run tells the asker of a Service: declared facts, never an expectation."""

from __future__ import annotations

import pytest

from probes import session
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.frontends import resolve
from topologies.loading.load import load

TOPOLOGY = load("lab-flannel")
CELLS = {cell.id: cell for cell in plan(TOPOLOGY).cells}
KNOWN = declared(TOPOLOGY)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("pod-n1-to-none-lb.clusterip-v4-tcp", {"limited"}),
        ("pod-n1-to-none-lb-local.nodeport.n2-v4-tcp", {"limited", "silent"}),
        ("ext-e1-to-none-lb.loadbalancer-v4-tcp", {"limited"}),
        ("ext-e1-to-none-lb.clusterip-v4-tcp", {"silent"}),  # leads nowhere, so nobody refuses
        ("pod-n1-to-none-lb.loadbalancer.undeclared-v4-tcp", set()),  # no port of that Service
        ("pod-n1-to-web-affinity.clusterip-v4-tcp", {"sticky"}),
        ("pod-n1-to-web-lb-local.nodeport.n1-v4-tcp", set()),
        ("pod-n1-to-web-lb-local.nodeport.n3-v4-tcp", {"silent"}),
    ],
)
def test_what_goes_ahead(name, flags):
    asked = session._question(TOPOLOGY, CELLS[name], resolve(CELLS[name].frontend, TOPOLOGY, KNOWN))

    assert {flag for flag in ("limited", "sticky", "silent") if getattr(asked, flag)} == flags
