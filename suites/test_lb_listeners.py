"""Listeners of the balancer that no Service here declares: an Ingress, another cluster's Service, a port range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", listener="own")
def test_a_foreign_listener_is_reached_where_its_address_leads_to_it(cell: Cell, judge: Judging) -> None:
    """A listener of an Ingress or of another cluster answers, unless the client's own node has bound the address."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", listener="own")
def test_a_foreign_listener_is_answered_by_itself_or_by_the_clients_node(cell: Cell, judge: Judging) -> None:
    """The listener answers; on a node that has bound the address, whatever listens on 0.0.0.0 of that node."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", listener="own")
def test_a_foreign_listener_sees_who_left_the_node(cell: Cell, judge: Judging) -> None:
    """Whoever answers at a foreign listener sees the address that the client left its node with."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", listener="leads")
def test_a_port_range_goes_on_where_the_service_ends(cell: Cell, judge: Judging) -> None:
    """The ports of a range beyond the one that a Service declares lead to it, unless the client's node keeps them."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", listener="leads")
def test_a_port_range_leads_to_the_services_own_backends(cell: Cell, judge: Judging) -> None:
    """At any port of a range the endpoints of the Service it leads to answer."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)
