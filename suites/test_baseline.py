"""Echo pods at their own addresses, without a Service: what the pod network does by itself."""

from __future__ import annotations

from probes.judging.verdict import Facet
from suites.marker import judge_cells


@judge_cells(Facet.REACHABILITY, frontend="endpoint", vantage=("pod", "backend"), host_network=False, expects="ok")
def test_a_pod_reaches_a_pod() -> None:
    """A pod reaches every echo pod at the echo pod's own address."""


@judge_cells(Facet.SOURCE, frontend="endpoint", vantage=("pod", "backend"), host_network=False, expects="ok kept")
def test_a_pod_is_seen_with_its_own_address() -> None:
    """An echo pod sees the client pod's own address."""


@judge_cells(Facet.REACHABILITY, frontend="endpoint", vantage=("node", "ssh"), host_network=False, expects="ok")
def test_a_node_process_reaches_a_pod() -> None:
    """A process of any node reaches every echo pod at the echo pod's own address."""


@judge_cells(
    Facet.REACHABILITY, frontend="endpoint", vantage=("node", "ssh", "external"), host_network=True, expects="ok"
)
def test_a_node_or_an_outside_host_reaches_a_host_network_backend() -> None:
    """A node process or a host outside reaches a backend on the host network at its node's address."""


@judge_cells(
    Facet.SOURCE, frontend="endpoint", vantage=("node", "ssh", "external"), host_network=True, expects="ok kept"
)
def test_a_host_network_backend_sees_the_node_or_the_outside_host() -> None:
    """A backend on the host network sees the own address of a node process or of a host outside."""


@judge_cells(
    Facet.REACHABILITY, frontend="endpoint", vantage=("pod", "backend"), node="own", host_network=True, expects="ok"
)
def test_a_pod_reaches_a_host_network_backend_of_its_own_node() -> None:
    """A pod reaches a backend on the host network of the pod's own node."""


@judge_cells(
    Facet.SOURCE, frontend="endpoint", vantage=("pod", "backend"), node="own", host_network=True, expects="ok kept"
)
def test_a_host_network_backend_sees_a_pod_of_its_own_node() -> None:
    """A backend on the host network sees the own address of a pod on the same node."""
