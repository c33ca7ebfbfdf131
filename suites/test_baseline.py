"""Echo pods at their own addresses, without a Service: what the pod network does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Facet, Result

if TYPE_CHECKING:
    from probes.plan.cell import Cell
    from probes.plugin import Judging


@pytest.mark.cells(
    Facet.REACHABILITY, frontend="endpoint", vantage=("pod", "backend"), host_network=False, expects="ok"
)
def test_a_pod_reaches_a_pod(cell: Cell, judge: Judging) -> None:
    """A pod reaches every echo pod at the echo pod's own address."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(Facet.SOURCE, frontend="endpoint", vantage=("pod", "backend"), host_network=False, expects="ok kept")
def test_a_pod_is_seen_with_its_own_address(cell: Cell, judge: Judging) -> None:
    """An echo pod sees the client pod's own address."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(Facet.REACHABILITY, frontend="endpoint", vantage=("node", "ssh"), host_network=False, expects="ok")
def test_a_node_process_reaches_a_pod(cell: Cell, judge: Judging) -> None:
    """A process of any node reaches every echo pod at the echo pod's own address."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    Facet.REACHABILITY, frontend="endpoint", vantage=("node", "ssh", "external"), host_network=True, expects="ok"
)
def test_a_node_or_an_outside_host_reaches_a_host_network_backend(cell: Cell, judge: Judging) -> None:
    """A node process or a host outside reaches a backend on the host network at its node's address."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    Facet.SOURCE, frontend="endpoint", vantage=("node", "ssh", "external"), host_network=True, expects="ok kept"
)
def test_a_host_network_backend_sees_the_node_or_the_outside_host(cell: Cell, judge: Judging) -> None:
    """A backend on the host network sees the own address of a node process or of a host outside."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    Facet.REACHABILITY, frontend="endpoint", vantage=("pod", "backend"), node="own", host_network=True, expects="ok"
)
def test_a_pod_reaches_a_host_network_backend_of_its_own_node(cell: Cell, judge: Judging) -> None:
    """A pod reaches a backend on the host network of the pod's own node."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)


@pytest.mark.cells(
    Facet.SOURCE, frontend="endpoint", vantage=("pod", "backend"), node="own", host_network=True, expects="ok kept"
)
def test_a_host_network_backend_sees_a_pod_of_its_own_node(cell: Cell, judge: Judging) -> None:
    """A backend on the host network sees the own address of a pod on the same node."""
    verdict = judge(cell)

    assert verdict.result is Result.PASS, str(verdict)
