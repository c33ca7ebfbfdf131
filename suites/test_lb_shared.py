"""One address of the load balancer for several Services, on different ports, asked from outside the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.plan.cell import Cell
    from probes.plugin import Judging

# The load balancer's address at the port of a Service with endpoints, asked by hosts outside the cluster.
FROM_OUTSIDE = {
    "frontend": "loadbalancer",
    "declared": True,
    "endpoints": True,
    "vantage": "external",
    "registers": "endpoints",
    "source_ranges": False,
    "internal_policy": "Cluster",
}


@pytest.mark.cells(Facet.REACHABILITY, **FROM_OUTSIDE, shared_address=True, expects="ok")
def test_each_service_answers_at_its_own_port(cell: Cell, judge: Judging) -> None:
    """Services that share an address each answer a host outside at their own port."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(Facet.BACKENDS, **FROM_OUTSIDE, shared_address=True, expects="ok from-all")
def test_each_service_answers_with_its_own_backends(cell: Cell, judge: Judging) -> None:
    """At a shared address the port decides which Service's endpoints answer."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)
