"""externalIPs: addresses that the cluster takes for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="externalip")
def test_an_external_ip_is_reached_as_its_version_captures_it(cell: Cell, judge: Judging) -> None:
    """An externalIP answers the clients whose packets this version of kube-proxy captures."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="externalip")
def test_an_external_ip_shows_the_backend_what_its_policy_leaves(cell: Cell, judge: Judging) -> None:
    """Behind an externalIP a backend sees the client under Local, the node under Cluster."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="externalip")
def test_an_external_ip_is_answered_by_the_backends_of_its_policy(cell: Cell, judge: Judging) -> None:
    """The endpoints that externalTrafficPolicy allows answer at an externalIP."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)
