"""externalTrafficPolicy Local at a balancer's address: nodes without an endpoint, backends on the host network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", declared=True, policy="Local", beside=False, endpoints=True)
def test_without_a_local_endpoint(cell: Cell, judge: Judging) -> None:
    """Under Local a client whose node has no endpoint is served or not as the version of its kube-proxy says."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, policy="Local", beside=False, endpoints=True)
def test_without_a_local_endpoint_it_is_seen_as_its_own_node_leaves_it(cell: Cell, judge: Judging) -> None:
    """Under Local a backend sees a client from elsewhere as the client's own node left it."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, host_network=True)
def test_a_host_network_backend_is_reached(cell: Cell, judge: Judging) -> None:
    """A backend on the host network answers behind a balancer as the rules for its node say."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, host_network=True)
def test_a_host_network_backend_sees_its_client(cell: Cell, judge: Judging) -> None:
    """A backend on the host network sees the client of every packet that came from elsewhere, even under Cluster."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)
