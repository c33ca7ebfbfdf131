"""What is wanted of one vantage -> curl batches of the right size -> transfers. Retries transport, never an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import stamina

from probes import curl
from probes.vantages.base import TornError, TransportError, UnusableError, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.cell import Cell
    from probes.vantages.base import Vantage
    from topologies.frontends import Target

ATTEMPTS_MAX = 3 * curl.PARALLEL_MAX  # of one curl; only where more than a third are silent, some wait for others
_SLACK = 10.0  # seconds a batch may take beside its attempts: exec, login, 1 MB of output

stamina.instrumentation.set_on_retry_hooks([])  # a retry of transport is no news for a user; what stays is told


@dataclass(frozen=True, slots=True)
class Question:
    """A cell and the address and port it is asked at. The flags are declared facts, no expectations.

    `limited`: its Service has no backend, so it may be refused by ICMP, of which a kernel sends few (`runner.py`).
    `sticky`: its Service has session affinity, which a first connection sets. `silent`: nobody may be there who could
    answer, so its attempts go first: each may last as long as the connect timeout. `turn`: asked after all those of
    lesser turns (`turns.py`).
    """

    cell: Cell
    target: Target
    limited: bool = False
    sticky: bool = False
    silent: bool = False
    turn: int = 0

    @property
    def drawn(self) -> bool:
        """Its client ports are the node's to draw: a pod's, masqueraded, which is why it has a later turn."""
        return self.turn > 0 and not self.cell.vantage.on_host_network


@dataclass(frozen=True, slots=True)
class Want:
    """`times` attempts of a question."""

    question: Question
    times: int = 1


def shards(wants: Sequence[Want]) -> Iterator[list[Want]]:
    """Batches of at most ATTEMPTS_MAX attempts."""
    shard: list[Want] = []
    size = 0
    for want in wants:
        if shard and size + want.times > ATTEMPTS_MAX:
            yield shard
            shard, size = [], 0
        shard.append(want)
        size += want.times
    if shard:
        yield shard


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a batch is carried out: by whom, and with which client ports."""

    vantage: Vantage
    ports: curl.Ports


def carry_out(
    spot: Spot,
    wants: Sequence[Want],
    connect_timeout: float,
    gate: Callable[[], object] = at_once,
    parallel: int = curl.PARALLEL_MAX,
) -> list[list[curl.Transfer]]:
    """Run one batch and read it: the transfers of each want, in order. TransportError if it cannot be had whole.

    A cut transport is tried three times in all, torn output twice, what cannot get better once. Where somebody who is
    no echo gave long answers, those wants are asked again, each alone, and so are the others. Seconds. `parallel`: so
    many connections at a time.
    """
    try:
        return _carry_out(spot, wants, connect_timeout, parallel, gate)
    except curl.MixedError as mixed:
        others = [want for number, want in enumerate(wants) if number not in mixed.asks]
        found = iter(carry_out(spot, others, connect_timeout, parallel=parallel) if others else ())
        return [
            _carry_out(spot, [want], connect_timeout, 1, gate)[0] if number in mixed.asks else next(found)
            for number, want in enumerate(wants)
        ]


def _carry_out(
    spot: Spot, wants: Sequence[Want], connect_timeout: float, parallel: int, gate: Callable[[], object]
) -> list[list[curl.Transfer]]:
    asks = [curl.Ask(want.question.target, want.times) for want in wants]
    batch = curl.compose(asks, connect_timeout, spot.ports, parallel=parallel)
    turns = 1 + sum(ask.times for ask in asks) // parallel
    timeout = (connect_timeout + curl.ANSWER_TIME) * turns + _SLACK
    for attempt in stamina.retry_context(on=TornError, attempts=2, wait_initial=0.1, wait_jitter=0.1):
        with attempt:
            return curl.read(_run(spot.vantage, batch, timeout, gate), asks, parallel=parallel)
    raise AssertionError  # stamina either returns or raises


def _run(vantage: Vantage, batch: curl.Batch, timeout: float, gate: Callable[[], object]) -> bytes:
    for attempt in stamina.retry_context(on=_cut, attempts=3, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2):
        with attempt:
            return vantage.run(batch.command, batch.stdin, timeout, gate).stdout
    raise AssertionError  # stamina either returns or raises


def _cut(error: Exception) -> bool:
    return isinstance(error, TransportError) and not isinstance(error, (TornError, UnusableError))
