"""The loopback: a balancer that keeps its clients may send a node its own packet, whose answer never gets back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", inside=True, status=("hostname", "proxy"), excludes=False)
def test_a_kept_client_is_answered_as_often_as_another_node_is_picked(cell: Cell, judge: Judging) -> None:
    """A client inside goes unanswered exactly as often as the balancer picks the node it came from."""
    verdict = judge(cell, Facet.SHARES)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", inside=True, listener="leads", excludes=False)
def test_a_port_ranges_client_is_sent_home_as_often(cell: Cell, judge: Judging) -> None:
    """At a port left to the balancer, a client inside goes unanswered as often as its own node is picked."""
    verdict = judge(cell, Facet.SHARES)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", inside=True, status=("hostname", "proxy"), excludes=True)
def test_excluding_the_source_ends_the_loopback_for_masqueraded_clients(cell: Cell, judge: Judging) -> None:
    """A balancer that never picks its client's address answers every client that leaves as its node."""
    verdict = judge(cell, Facet.SHARES)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    frontend="loadbalancer", inside=True, status=("hostname", "proxy"), policy="Local", beside=True, excludes=True
)
def test_with_no_other_backend_left_a_client_is_turned_away(cell: Cell, judge: Judging) -> None:
    """Where the client's own node is the only backend, excluding it leaves nobody."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)
