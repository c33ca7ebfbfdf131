"""What is wanted of one vantage -> curl batches of the right size -> transfers. Retries transport, never an attempt."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import stamina

from probes.asking import curl, transfers
from probes.asking.vantages.base import TornError, TransportError, UnusableError, at_once
from topologies.common.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.asking.vantages.base import Completed, Vantage
    from probes.plan.cell import Cell
    from topologies.frontends import Target

ATTEMPTS_MAX = 3 * curl.PARALLEL_MAX  # of one curl; only where more than a third are silent, some wait for others
_SLACK = 10.0  # seconds a batch may take beside its attempts: exec, login, 1 MB of output
_TORN_TRIES = 2
_ALONE_S = 60.0  # seconds for asking cells alone whose answers could not be read together with others

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
    """Batches of at most ATTEMPTS_MAX attempts; a sample that is larger is split."""
    shard: list[Want] = []
    size = 0
    for want in chain.from_iterable(map(_split, wants)):
        if shard and size + want.times > ATTEMPTS_MAX:
            yield shard
            shard, size = [], 0
        shard.append(want)
        size += want.times
    if shard:
        yield shard


def _split(want: Want) -> Iterator[Want]:
    for start in range(0, want.times, ATTEMPTS_MAX):
        yield Want(want.question, min(ATTEMPTS_MAX, want.times - start))


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
    """Run one batch and read it: the transfers of each want, in order.

    A cut transport is tried three times in all, torn output twice, what cannot get better once. Attempts whose answer
    was cut off, or that curl ended because of another transfer, are asked again: first together, without the cells of
    servers that cause this, then each cell alone. What is known of the other attempts stays.

    Args:
        spot: The vantage and its client ports.
        wants: What to ask.
        connect_timeout: Seconds.
        gate: See `base.Vantage.run`.
        parallel: So many connections at a time.

    Raises:
        TransportError: If the batch cannot be run, or its output is not whole.

    """
    round_ = _Round(connect_timeout, parallel)
    found = _carry_out(spot, wants, round_, gate)
    _reask(spot, wants, round_, found, [number for number in _unread(found) if not _spoils(found[number])])
    deadline = Deadline(_ALONE_S)
    for number in _unread(found):
        if not deadline.passed:
            _reask(spot, wants, round_, found, [number])
    return found


@dataclass(frozen=True, slots=True)
class _Round:
    """How a batch is composed: see `curl.compose`."""

    connect_timeout: float
    parallel: int


def _reask(
    spot: Spot, wants: Sequence[Want], round_: _Round, found: list[list[curl.Transfer]], numbers: Sequence[int]
) -> None:
    """Ask for the lost attempts of these wants, and put what comes back in their place."""
    again = [Want(wants[number].question, sum(bool(one.lost) for one in found[number])) for number in numbers]
    if not again:
        return
    with suppress(TransportError):  # then they stay lost, and only they
        for number, replies in zip(numbers, _carry_out(spot, again, round_, at_once), strict=True):
            found[number] = [one for one in found[number] if not one.lost] + replies


def _unread(found: Sequence[Sequence[curl.Transfer]]) -> list[int]:
    return [number for number, ones in enumerate(found) if any(one.lost for one in ones)]


def _spoils(ones: Sequence[curl.Transfer]) -> bool:
    """Whether one of them may have spoiled others of its batch, and may do so again."""
    return any(map(transfers.disturbs, ones))


def _carry_out(
    spot: Spot, wants: Sequence[Want], round_: _Round, gate: Callable[[], object]
) -> list[list[curl.Transfer]]:
    asks = [curl.Ask(want.question.target, want.times) for want in wants]
    parallel = round_.parallel
    batch = curl.compose(asks, round_.connect_timeout, spot.ports, parallel=parallel)
    turns = 1 + sum(ask.times for ask in asks) // parallel
    timeout = (round_.connect_timeout + curl.ANSWER_TIME) * turns + _SLACK
    for attempt in stamina.retry_context(on=TornError, attempts=_TORN_TRIES, wait_initial=0.1, wait_jitter=0.1):
        with attempt:
            output = _run(spot.vantage, batch, timeout, gate)
            return _read(spot.vantage, output, asks, batch, partial=attempt.num == _TORN_TRIES)
    raise AssertionError  # stamina either returns or raises


def _run(vantage: Vantage, batch: curl.Batch, timeout: float, gate: Callable[[], object]) -> bytes:
    for attempt in stamina.retry_context(on=_cut, attempts=3, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2):
        with attempt:
            done = vantage.run(batch.command, batch.stdin, timeout, gate)
            _refuse_unstarted(done, batch)
            return done.stdout
    raise AssertionError  # stamina either returns or raises


def _refuse_unstarted(done: Completed, batch: curl.Batch) -> None:
    """Raise UnusableError if the command ended with an error and the script never began: no shell, or no login."""
    if done.exit_code and batch.mark.encode() not in done.stdout:
        words = (done.stderr or done.stdout)[:200].decode("utf-8", "replace").strip()
        message = f"the shell did not run the batch: it ended {done.exit_code}: {words}. Allow `sh -c` there"
        raise UnusableError(message)


def _read(
    vantage: Vantage, output: bytes, asks: Sequence[curl.Ask], batch: curl.Batch, *, partial: bool
) -> list[list[curl.Transfer]]:
    try:
        return transfers.read(output, asks, batch.mark, partial=partial)
    except transfers.OutdatedError as error:
        message = f"curl is too old: got {_version(vantage)}, want curl >= 7.75 ({error}). Use another image or host"
        raise UnusableError(message) from error


def _version(vantage: Vantage) -> str:
    try:
        printed = vantage.run(("sh", "-c", "curl -q -V"), "", _SLACK).stdout
    except TransportError:
        return "a version that could not be read"
    found = re.search(rb"^curl [0-9][^ \n]*", printed, re.MULTILINE)
    return found[0].decode("ascii", "replace") if found else "a version that could not be read"


def _cut(error: Exception) -> bool:
    return isinstance(error, TransportError) and not isinstance(error, (TornError, UnusableError))
