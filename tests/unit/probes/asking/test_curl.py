"""curl.py and classify.py against a real curl, and against output that came back damaged."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl, transfers
from probes.asking.batch import ClientHost, ProbeRequest, Question, run_batch
from probes.asking.classify import attempt
from probes.observation import Attempt, Outcome
from probes.plan.cell import Cell
from tests.unit.support.servers import LOOPBACK, NOWHERE, LocalVantage, closed, echo, hanging, other, resetting, silent
from topologies.frontends import Frontend, FrontendKind, Target
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Server = Callable[[], AbstractContextManager[Target]]

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
shells = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
TIMEOUT = 0.5
CELL = Cell(Vantage(name="here", kind=VantageKind.POD), Frontend("web", FrontendKind.CLUSTER_IP))


def asked(asks: list[curl.Ask], vantage: LocalVantage | None = None) -> list[list[Attempt]]:
    batch = curl.compose(asks, TIMEOUT)
    output = (vantage or LocalVantage()).run(batch.command, batch.stdin, 30).stdout
    return [[attempt(one) for one in found] for found in transfers.read(output, asks, batch.mark)]


@needs_curl
@pytest.mark.parametrize("shell", shells)
def test_one_connection_tells_the_client_address_and_the_backend(shell: str) -> None:
    with echo() as target:
        [found] = asked([curl.Ask(target, 5)], LocalVantage("busybox sh" if shell == "busybox" else shell))

    assert {(one.outcome, one.source, one.backend) for one in found} == {(Outcome.OK, LOOPBACK, "web-a")}
    assert len({one.local for one in found}) == 5  # five fresh connections
    assert {one.remote for one in found} == {str(target)}


@needs_curl
@pytest.mark.parametrize(
    ("server", "outcome", "message"),
    [
        (closed, Outcome.REFUSED, "Connection refused"),
        (silent, Outcome.TIMEOUT, "tim"),
        (hanging, Outcome.HANG, "timed out"),
        (resetting, Outcome.RESET, "reset"),
        (other, Outcome.WRONG_BACKEND, "nginx says no"),
    ],
)
def test_each_way_to_fail_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, server: Server, outcome: Outcome, message: str
) -> None:
    monkeypatch.setattr(curl, "ANSWER_TIME", 1.0)
    with server() as target, echo() as good:
        found, answered = asked([curl.Ask(target, 2), curl.Ask(good, 2)])

    assert [one.outcome for one in found] == [outcome] * 2
    assert message.lower() in found[0].message.lower()
    assert [one.outcome for one in answered] == [Outcome.OK] * 2


@needs_curl
@pytest.mark.skipif(sys.platform != "linux", reason="other kernels answer otherwise for a broadcast address")
def test_refused_and_unreachable_are_told_apart_in_one_batch() -> None:
    with closed() as target:
        refused, unreachable = asked([curl.Ask(target, 20), curl.Ask(NOWHERE, 20)])

    assert {(one.outcome, one.message) for one in refused} == {(Outcome.REFUSED, "Connection refused")}
    assert {(one.outcome, one.message) for one in unreachable} == {(Outcome.UNREACHABLE, "Network is unreachable")}


@needs_curl
def test_a_thousand_attempts_are_told_each_by_its_own_body() -> None:
    """If another program has taken the port of an attempt, `run_batch` repeats the attempt from another port."""
    with echo() as target:
        wants = [ProbeRequest(Question(CELL, target), 10) for _ in range(100)]
        found = run_batch(ClientHost(LocalVantage(), curl.Ports()), wants, TIMEOUT)

    assert {len(transfers) for transfers in found} == {10}
    attempts = [attempt(one) for transfers in found for one in transfers]
    assert {(one.outcome, one.backend) for one in attempts} == {(Outcome.OK, "web-a")}
    assert len({one.local for one in attempts}) > 900  # ports may come again, connections do not


@needs_curl
def test_a_long_answer_of_somebody_else_mixes_up_no_bodies() -> None:
    with echo() as target, other(b"<html>" * 5000) as stranger:
        wants = [ProbeRequest(Question(CELL, one), 20) for one in (target, stranger, target)]
        found = run_batch(ClientHost(LocalVantage(), curl.Ports()), wants, TIMEOUT)

    outcomes = [{(one.outcome, one.backend) for one in map(attempt, transfers)} for transfers in found]
    assert outcomes == [{(Outcome.OK, "web-a")}, {(Outcome.WRONG_BACKEND, None)}, {(Outcome.OK, "web-a")}]
    assert [len(transfers) for transfers in found] == [20, 20, 20]
