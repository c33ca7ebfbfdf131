"""Connections that come back to their own client: what curl reads then is its own request, and shows nothing."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl
from probes.asking.batch import ClientHost, ProbeRequest, Question, run_batch
from probes.asking.classify import attempt
from probes.observation import Outcome
from probes.plan.cell import Cell
from tests.unit.support.servers import LOOPBACK, LocalVantage, reflecting
from topologies.frontends import Frontend, FrontendKind, Target
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from probes.observation import Attempt

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
CELL = Cell(Vantage(name="here", kind=VantageKind.POD), Frontend("web", FrontendKind.CLUSTER_IP))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curl, "ANSWER_TIME", 0.5)


def ask(target: Target, ports: curl.Ports, times: int) -> list[Attempt]:
    [found] = run_batch(ClientHost(LocalVantage(), ports), [ProbeRequest(Question(CELL, target), times)], 0.5)
    return [attempt(transfer) for transfer in found]


def a_free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port in curl.PORTS:
            return port


def test_a_connection_from_the_port_it_goes_to_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on this port, so Linux connects the client's socket to itself."""
    port, ports = a_free_port(), curl.Ports()
    monkeypatch.setattr(ports, "_next", curl.PORTS.index(port))

    [found] = ask(Target(LOOPBACK, port), ports, 1)

    assert (found.outcome, found.local) != (Outcome.OK, f"127.0.0.1:{port}")
    assert found.outcome is Outcome.REFUSED


def test_only_the_attempts_that_came_back_are_asked_again() -> None:
    with reflecting(2) as target:
        found = ask(target, curl.Ports(), 3)

    assert [one.outcome for one in found] == [Outcome.RESET] * 3  # an empty reply


def test_a_server_that_sends_every_request_back_is_a_wrong_backend() -> None:
    with reflecting(9) as target:
        found = ask(target, curl.Ports(), 2)

    assert [one.outcome for one in found] == [Outcome.WRONG_BACKEND] * 2
    assert all(one.message.startswith("no HTTP, not an echo: 'GET /echo?msg=") for one in found)
