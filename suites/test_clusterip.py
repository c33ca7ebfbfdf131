"""ClusterIP: from inside, whatever the external policies say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="clusterip")
def test_a_cluster_ip_is_reached_from_inside_the_cluster_alone(cell: Cell, judge: Judging) -> None:
    """A ClusterIP answers every client of the cluster, and no other."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="clusterip", endpoints=True)
def test_a_cluster_ip_shows_the_backend_its_client(cell: Cell, judge: Judging) -> None:
    """A ClusterIP keeps a pod's address; a node's becomes the address of the device it leaves by."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="clusterip", endpoints=True)
def test_a_cluster_ip_spreads_over_all_endpoints(cell: Cell, judge: Judging) -> None:
    """Every ready endpoint of the cluster answers at the ClusterIP, whatever externalTrafficPolicy says."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(affinity="ClientIP")
def test_one_client_stays_with_one_backend(cell: Cell, judge: Judging) -> None:
    """Under ClientIP affinity all connections of one client reach one backend."""
    verdict = judge(cell, Facet.AFFINITY)

    assert verdict.result is Result.PASS, str(verdict)
