"""Questions of one node's vantages at another's NodePorts, and their answers, for tests of whoever asks."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from probes.asking import runner
from probes.observation import Attempt, Observation, Outcome
from probes.plan.cell import Cell
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.frontends import Frontend, FrontendKind, Target
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = IPv4Address("10.244.1.7")
OK = Attempt(Outcome.OK, source=SOURCE, backend="web-a", seconds=0.01)
REFUSED = Attempt(Outcome.REFUSED)
TIMEOUT = Attempt(Outcome.TIMEOUT, seconds=1.0)  # the connect timeout of a wave


def question(  # noqa: PLR0913 - all but the port with a default that does
    port: int,
    *,
    vantage: str = "pod-n1",
    kind: VantageKind = VantageKind.POD,
    home: str = "n1",
    node: str = "n2",
    sample: int = 5,
    service: str = "",
    frontend: FrontendKind = FrontendKind.NODE_PORT,
    limited: bool = False,
    sticky: bool = False,
    silent: bool = False,
    turn: int = 0,
) -> runner.Question:
    where = Vantage(name=vantage, kind=kind, node=home)
    cell = Cell(where, Frontend(service or f"web-{port}", frontend, node=node), sample=sample)
    return runner.Question(cell, Target(IPv4Address("198.18.1.12"), port), limited, sticky, silent, turn)


def ask(questions: list[runner.Question], answer: Callable[[Target], Attempt]) -> list[Observation]:
    found = runner.ask({"pod-n1": questions}, {"pod-n1": SimulatedVantage("pod-n1", answer)})
    assert list(found) == [one.cell.id for one in questions]
    return list(found.values())


def outcomes(observation: Observation) -> list[Outcome]:
    return [one.outcome for one in observation.attempts]
