"""Ask the checks of one step in rounds until their promises hold, and measure when they began to.

All clients ask at the same time. A client asks all of its checks in one curl batch a round, until each has held in two
rounds in a row, or the time is over. A promise that nothing is served must hold for a while: an address that is
programmed anew may not be served for a moment.

A connection began between the moment at which its batch was fed, and the end of the batch less the longest transfer.
A connection that broke the promise counts from the first of them, one that held it from the second: so the change took
effect between `not_before_s` and `converged_s`. What could not be asked counts as neither.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.asking.batch import ClientHost, ProbeRequest, Question, run_batch
from probes.asking.classify import UnclearError, attempt
from probes.asking.load_meter import BatchTiming, Fastest, is_lost
from probes.asking.vantages.base import TransportError
from probes.judging.promise import BackendSet
from probes.observation import Outcome
from probes.scenarios.keeping import find_broken_status, find_violation, read_answer
from topologies.common.threads import run_all
from topologies.common.waiting import Deadline, pause
from topologies.frontends import UnresolvedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.asking.curl import Transfer
    from probes.observation import Attempt
    from probes.scenarios.model import Asked, Check
    from topologies.frontends import Target
    from topologies.schema.topology import Topology

CONNECT_S = 1.0
ROUNDS = 2  # in a row, in which a promise must hold
SETTLE_S = 3.0  # after the change, before a promise that nothing is served counts as kept
PAUSE_S = 0.2  # between two rounds of a client


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """`limit_s`: how long the promises of a step are asked. `connect_s`: for a TCP answer."""

    limit_s: float = 20.0
    connect_s: float = CONNECT_S

    @property
    def later_s(self) -> float:
        """How long a node may take to serve a Service that is created after the change."""
        return 1.5 * self.limit_s


@dataclass(frozen=True, slots=True)
class Round:
    """The attempts of one check in one batch. Times in seconds after the change."""

    began_s: float
    """No attempt began before."""
    begun_s: float
    """Every attempt had begun by then."""
    attempts: tuple[Attempt, ...]


@dataclass
class Asking:
    """A check and its rounds so far."""

    check: Check
    topology: Topology
    """The declared cluster after the change."""
    free: bool = False
    """Whether nothing is promised in this version. Then two rounds show what happens."""
    rounds: list[Round] = field(default_factory=list)
    kept: list[Round] = field(default_factory=list)
    """The newest rounds, in which the promise held."""
    broken: Round | None = None
    """The newest round in which it did not."""
    wrong: str = ""
    """What broke the promise in that round."""
    facet: str = ""
    failures: int = 0
    """How many rounds did not hold."""
    trouble: str = ""
    """Why the newest round could not be asked."""

    def note(self, found: Round) -> None:
        """Hold a round against the promise."""
        self.trouble = ""
        self.rounds.append(found)
        wrong, self.facet = self._find_wrong(found)
        if wrong:
            self.wrong, self.broken, self.kept = wrong, found, []
            self.failures += 1
        else:
            self.kept.append(found)

    def _find_wrong(self, found: Round) -> tuple[str, str]:
        """Return what breaks the promise, with its facet; connections to one endpoint are compared over rounds."""
        if self.check.expected is None:
            return find_broken_status(self.check, found.attempts), "outcome"
        together = self.rounds if self.check.wait_s else [*self._earlier(), found]
        answers = [read_answer(one) for round_ in together for one in round_.attempts]
        violation = find_violation(self.check, answers, self.topology)
        return (violation.text, violation.facet) if violation else ("", "")

    def _earlier(self) -> list[Round]:
        expected = self.check.expected
        return self.kept[-1:] if expected and expected.backends is BackendSet.ONE else []

    @property
    def is_kept(self) -> bool:
        """Whether the promise has held long enough."""
        needed = 1 if self.check.wait_s else ROUNDS
        if len(self.kept) < needed or (self.check.throughout and self.failures):
            return False
        expected = self.check.expected
        by_accident = expected is not None and Outcome.OK not in expected.outcomes
        return not by_accident or self.kept[-1].begun_s >= SETTLE_S

    @property
    def is_late(self) -> bool:
        """Whether the promise does not hold yet, and might with more time."""
        return bool(self.rounds) and not (self.free or self.trouble or self.is_over)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be learned."""
        if self.free:
            return len(self.rounds) >= ROUNDS and self.rounds[-1].begun_s >= SETTLE_S
        return self.is_kept or bool(self.check.throughout and self.failures and len(self.kept) >= ROUNDS)

    @property
    def converged_s(self) -> float | None:
        """When the first attempt began from which on all held; None if the promise did not hold in the end."""
        held = len(self.kept) >= (1 if self.check.wait_s else ROUNDS)
        return round(self.kept[0].begun_s, 3) if held else None

    @property
    def not_before_s(self) -> float | None:
        """When the last attempt began that did not hold; None if all held."""
        return round(self.broken.began_s, 3) if self.broken else None


@dataclass(frozen=True)
class Asker:
    """Asks checks. `host_of`: the prober and the ports of a client, by its name. `resolve`: the address of a check."""

    host_of: Callable[[str], ClientHost]
    resolve: Callable[[Asked], Target]
    patience: TimeLimits = TimeLimits()

    def ask(self, askings: Sequence[Asking], accepted: float) -> None:
        """Ask until each is over, or for `limit_s`. `accepted`: when the API had the change, on the monotonic clock."""
        clients: dict[str, list[Asking]] = {}
        for one in askings:
            clients.setdefault(one.check.client.name, []).append(one)
        run_all(lambda mine: self._ask_client(mine, accepted), clients.values(), max(1, len(clients)))

    def _ask_client(self, askings: Sequence[Asking], accepted: float) -> None:
        host, fastest = self.host_of(askings[0].check.client.name), Fastest()
        deadline = Deadline(self.patience.limit_s)
        while True:
            targets = [(one, target) for one in askings if (target := self._resolve(one))]
            if targets:
                fastest = self._ask_once(host, targets, accepted, fastest)
            if deadline.passed or not targets or all(one.is_over for one, _ in targets):
                return
            pause(min(max(PAUSE_S, *(one.check.wait_s for one in askings)), deadline.left))

    def _resolve(self, asking: Asking) -> Target | None:
        try:
            return self.resolve(asking.check.asked)
        except UnresolvedError as error:
            asking.trouble = str(error)
            return None

    def _ask_once(
        self, host: ClientHost, targets: Sequence[tuple[Asking, Target]], accepted: float, fastest: Fastest
    ) -> Fastest:
        requests = [ProbeRequest(Question(one.check.cell, target), one.check.times) for one, target in targets]
        fed = [time.monotonic()]
        try:
            found = run_batch(host, requests, self.patience.connect_s, lambda: fed.append(time.monotonic()))
        except TransportError as error:
            for one, _ in targets:
                one.trouble = f"{host.vantage.name}: {error}"
            return fastest
        ended, transfers = time.monotonic(), [one for ones in found for one in ones]
        fastest = fastest.including(transfers)
        timing = BatchTiming.of(fed[-1], ended, transfers, self.patience.connect_s, fastest)
        longest = max((one.time_total for one in transfers), default=0.0)
        began = fed[-1] - accepted
        begun = max(began, ended - longest - accepted)
        for (one, _), ones in zip(targets, found, strict=True):
            _note(one, began, begun, ones, timing)
        return fastest


def _note(asking: Asking, began: float, begun: float, transfers: Sequence[Transfer], timing: BatchTiming) -> None:
    """Note a round, unless an attempt of it shows nothing, or was lost while this client was slow."""
    kind = asking.check.cell.frontend.kind
    try:
        attempts = tuple(attempt(one) for one in transfers)
    except UnclearError as error:
        asking.trouble = str(error)
        return
    if timing.tail.is_near and any(is_lost(one, kind) for one in attempts):
        asking.trouble = f"the client is overloaded: {timing.tail}"
        return
    asking.note(Round(began, begun, attempts))
