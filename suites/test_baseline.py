"""The echo pods by their own addresses, no Service involved: what the network does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="endpoint")
def test_an_echo_pod_is_reached_at_its_own_address(cell: Cell, judge: Judging) -> None:
    """A backend answers at its own address whoever the pod network lets through."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="endpoint")
def test_an_echo_pod_sees_what_the_network_makes_of_its_client(cell: Cell, judge: Judging) -> None:
    """Without a Service, a backend sees the address that the CNI alone leaves or gives its client."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)
