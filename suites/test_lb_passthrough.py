"""Pass-through: the status tells kube-proxy no address, so a client inside goes to the balancer as one outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", declared=True, inside=True, status=("hostname", "proxy"))
def test_a_client_inside_reaches_the_balancer_itself(cell: Cell, judge: Judging) -> None:
    """Passed through, a client inside is answered, unless the balancer sends its packet home to its own node."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, inside=True, status=("hostname", "proxy"))
def test_a_client_inside_is_seen_as_the_balancer_leaves_it(cell: Cell, judge: Judging) -> None:
    """Passed through, a backend sees what both nodes and the balancer left of its client."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, inside=True, status=("hostname", "proxy"))
def test_a_client_inside_gets_the_pools_backends(cell: Cell, judge: Judging) -> None:
    """Passed through, the endpoints answer that each node of the balancer's pool gives to a stranger."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    frontend="loadbalancer", declared=True, inside=True, status=("hostname", "proxy"), policy="Local", beside=True
)
def test_from_the_backends_own_node_under_local(cell: Cell, judge: Judging) -> None:
    """Under Local, a client beside a backend is answered only as often as the balancer picks another node with one."""
    verdict = judge(cell, Facet.SHARES)

    assert verdict.result is Result.PASS, str(verdict)
