"""NodePort: on every node, at each of its addresses, by policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(frontend="nodeport", policy="Cluster")
def test_a_cluster_node_port_is_reached_on_every_node(cell: Cell, judge: Judging) -> None:
    """A NodePort under Cluster answers on every node, with an endpoint there or without."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="nodeport", policy="Local")
def test_a_local_node_port_is_reached_where_its_rules_say(cell: Cell, judge: Judging) -> None:
    """A NodePort under Local answers strangers only where an endpoint is; a node's own clients always."""
    verdict = judge(cell, Facet.REACHABILITY)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="nodeport", policy="Cluster", endpoints=True)
def test_a_cluster_node_port_shows_the_node_to_the_backend(cell: Cell, judge: Judging) -> None:
    """Behind a NodePort under Cluster a backend sees the node that took the packet, not the client."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="nodeport", policy="Local", endpoints=True)
def test_a_local_node_port_keeps_the_client_address(cell: Cell, judge: Judging) -> None:
    """A backend behind a Local NodePort sees the address its client really has."""
    verdict = judge(cell, Facet.SOURCE)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(frontend="nodeport", endpoints=True)
def test_a_node_port_is_answered_by_the_backends_of_its_policy(cell: Cell, judge: Judging) -> None:
    """Under Cluster every endpoint answers; under Local, for strangers, only those of the node asked."""
    verdict = judge(cell, Facet.BACKENDS)

    assert verdict.result is Result.PASS, str(verdict)
