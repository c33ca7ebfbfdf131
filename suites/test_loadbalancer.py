"""The load balancer's address: from outside by the balancer, from inside by the client's own node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", declared=True)
def test_a_load_balancer_is_reached_from_everywhere(cell: Cell, judge: Judging) -> None:
    """A load balancer address answers outside clients, pods and nodes alike, as its policy and endpoints allow."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, policy="Local", endpoints=True)
def test_a_local_load_balancer_keeps_the_outside_client(cell: Cell, judge: Judging) -> None:
    """Behind a Local load balancer a backend sees the outside client's own address."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, policy="Cluster", endpoints=True)
def test_a_cluster_load_balancer_shows_the_node_to_the_backend(cell: Cell, judge: Judging) -> None:
    """Behind a Cluster load balancer a backend sees the node that took the packet."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, endpoints=True)
def test_a_load_balancer_is_answered_by_the_backends_of_its_policy(cell: Cell, judge: Judging) -> None:
    """All endpoints under Cluster, the local ones under Local, answer at the load balancer's address."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=False, listener="none")
def test_an_undeclared_port_is_the_balancers_own(cell: Cell, judge: Judging) -> None:
    """At a port that no Service declares, the load balancer itself answers, unless the node keeps its address."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=False, listener="none")
def test_an_undeclared_port_is_answered_by_the_balancer(cell: Cell, judge: Judging) -> None:
    """Whoever answers at an undeclared port of a load balancer is the balancer, and it sees who left the node."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)
