"""Hostile answers beside honest ones, through a real curl: only the guilty cell may suffer."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl
from probes.asking.batch import ClientHost, ProbeRequest, Question, run_batch
from probes.asking.classify import UnclearError, attempt
from probes.asking.vantages.base import OUTPUT_MAX, Completed, at_once
from probes.observation import Outcome
from probes.plan.cell import Cell
from tests.unit.support.hostile import ANSWERS, LABELLED, OK, hostile
from tests.unit.support.servers import LOOPBACK, closed, echo
from topologies.common.addresses import IPAddress
from topologies.frontends import Frontend, FrontendKind
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from topologies.frontends import Target

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
CELL = Cell(Vantage(name="here", kind=VantageKind.POD), Frontend("web", FrontendKind.CLUSTER_IP))
MEMORY_MAX = 192 * 1024 * 1024  # bytes of data that each process at the vantage may have
HONEST, REFUSED = {(Outcome.OK, LOOPBACK, "web-a")}, {(Outcome.REFUSED, None, None)}
NEVER_SAYS = {Outcome.HANG, Outcome.RESET}
Meaning = str | tuple[Outcome, IPAddress | None, str | None]
UNCLEAR = "a header line of 200 KB"  # curl < 8.6 ends 27, "out of memory", which may be the vantage's own


class BoundedVantage:
    """This machine, with little memory for each process; notes what was printed."""

    name = "here"

    def __init__(self) -> None:
        self.printed: list[int] = []
        self.asked: list[str] = []

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        gate()
        self.asked.append(stdin)
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # in which grep takes other bytes than UTF-8 for a binary file
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MAX, MEMORY_MAX)),
        )
        self.printed.append(len(done.stdout))
        return Completed(done.stdout, done.stderr, done.returncode)


def ask(targets: Sequence[Target], times: int = 5, timeout: float = 1.0) -> list[set[Meaning]]:
    """Ask all of them in one batch; what came of each, or why nothing did."""
    vantage = BoundedVantage()
    wants = [ProbeRequest(Question(CELL, target), times) for target in targets]
    found = run_batch(ClientHost(vantage, curl.Ports()), wants, timeout)
    assert max(vantage.printed) < OUTPUT_MAX
    assert [len(transfers) for transfers in found] == [times] * len(targets)
    return [set(map(meaning, transfers)) for transfers in found]


def meaning(transfer: curl.Transfer) -> Meaning:
    try:
        found = attempt(transfer)
    except UnclearError as error:
        return str(error)
    return (found.outcome, found.source, found.backend)


@pytest.mark.parametrize("what", ANSWERS)
def test_a_hostile_answer_harms_its_own_cell_only(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(curl, "ANSWER_TIME", 2.0)
    with echo() as good, closed() as nobody, hostile(ANSWERS[what]) as bad:
        first, guilty, refused, second = ask([good, bad, nobody, good])

    assert (first, refused, second) == (HONEST, REFUSED, HONEST)
    if what == UNCLEAR:
        assert all("curl ended" in str(one) or one == (Outcome.WRONG_BACKEND, None, None) for one in guilty)
    else:
        says = NEVER_SAYS if "drip" in what or "reset" in what else {Outcome.WRONG_BACKEND}
        assert {one if isinstance(one, str) else one[0] for one in guilty} <= says


def test_what_is_known_without_a_body_is_not_asked_again() -> None:
    vantage = BoundedVantage()
    with echo() as good, closed() as nobody, hostile(lambda: [OK + b"\r\n" + b"<html>" * 30_000]) as bad:
        run_batch(
            ClientHost(vantage, curl.Ports()),
            [ProbeRequest(Question(CELL, one), 3) for one in (good, nobody, bad)],
            2.0,
        )

    again = "".join(vantage.asked[1:])
    assert str(nobody) not in again
    assert str(bad) not in again
    assert len(vantage.asked) <= 2  # one where curl (>= 8.4) ends the long answers


def test_a_backend_that_streams_leaves_the_answers_of_another_backend_of_its_service() -> None:
    turns = iter(range(1000))
    honest = OK + b"\r\n" + LABELLED

    def by_turns() -> list[bytes]:
        return [honest] if next(turns) % 2 else [OK + b"\r\n" + b"<html>" * 2000]

    with echo() as good, hostile(by_turns) as mixed:
        first, both = ask([good, mixed], times=10)

    assert first == HONEST
    assert (Outcome.WRONG_BACKEND, None, None) in both


def test_an_ipv6_client_is_named_in_the_message() -> None:
    with hostile(ANSWERS["an IPv6 client"]) as bad:
        [transfers] = run_batch(ClientHost(BoundedVantage(), curl.Ports()), [ProbeRequest(Question(CELL, bad))], 1.0)

    assert attempt(transfers[0]).message == (
        "HTTP 200, not an echo: it saw the client as [::1]:4000, want an IPv4 address and a port"
    )
