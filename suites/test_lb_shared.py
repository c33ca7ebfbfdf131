"""One address of the balancer for several Services, on different ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="loadbalancer", declared=True, shared_address=True)
def test_each_service_answers_at_its_own_port(cell: Cell, judge: Judging) -> None:
    """Services that share an address are each reached at their own port."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="loadbalancer", declared=True, shared_address=True)
def test_each_service_answers_with_its_own_backends(cell: Cell, judge: Judging) -> None:
    """At a shared address the port decides whose backends answer."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)
