"""Turn the requests of one vantage into curl batches of the right size, run them and read the transfers.

Retries transport, never an attempt.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import stamina

from probes.asking import curl, transfers
from probes.asking.vantages.base import TornError, TransportError, UnusableError, at_once
from topologies.cluster_state.api_fields import shorten
from topologies.common.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.asking.vantages.base import Completed, Prober
    from probes.plan.cell import Cell
    from topologies.frontends import Target

ATTEMPTS_MAX = 3 * curl.PARALLEL_MAX  # of one curl; only where more than a third are silent, some wait for others
_SLACK = 10.0  # seconds a batch may take beside its attempts: exec, login, 1 MB of output
_TORN_TRIES = 2
_MESSAGE_MAX = 200  # characters of a shell's message
_ALONE_S = 60.0  # seconds for asking cells alone whose answers could not be read together with others

stamina.instrumentation.set_on_retry_hooks([])  # retries of transport are not logged; the last error is reported


@dataclass(frozen=True, slots=True)
class Question:
    """A cell and the address and port it is asked at. The flags are declared facts, no expectations.

    `limited`: its Service has no backend, so ICMP may refuse it, at a limited rate (`icmp_rate_limit.py`). `sticky`:
    its Service has session affinity, which the first connection sets. `silent`: an answer is unlikely, so
    its attempts go first. `turn`: it is probed after all cells of lower turns (`schedule.py`).
    """

    cell: Cell
    target: Target
    limited: bool = False
    sticky: bool = False
    silent: bool = False
    turn: int = 0

    @property
    def by_name(self) -> bool:
        """Whether the client looks up the address in DNS first."""
        return bool(self.target.name)


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """`times` attempts of a question."""

    question: Question
    times: int = 1


def chunks(requests: Sequence[ProbeRequest]) -> Iterator[list[ProbeRequest]]:
    """Batches of at most ATTEMPTS_MAX attempts; a sample that is larger is split."""
    chunk: list[ProbeRequest] = []
    size = 0
    for request in chain.from_iterable(map(_split, requests)):
        if chunk and size + request.times > ATTEMPTS_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append(request)
        size += request.times
    if chunk:
        yield chunk


def _split(request: ProbeRequest) -> Iterator[ProbeRequest]:
    for start in range(0, request.times, ATTEMPTS_MAX):
        yield ProbeRequest(request.question, min(ATTEMPTS_MAX, request.times - start))


@dataclass(frozen=True, slots=True)
class ClientHost:
    """Where a batch is carried out: by whom, and with which client ports."""

    vantage: Prober
    ports: curl.Ports


def run_batch(
    host: ClientHost,
    requests: Sequence[ProbeRequest],
    connect_timeout: float,
    gate: Callable[[], object] = at_once,
    max_parallel: int = curl.PARALLEL_MAX,
) -> list[list[curl.Transfer]]:
    """Run one batch and read it: the transfers of each request, in order.

    A cut transport is tried three times in all, torn output twice, what cannot get better once. Attempts whose answer
    was cut off, that curl ended because of another transfer, or whose own request came back are asked again: first
    together, without the cells of servers that cause this, then each cell alone. What is known of the other attempts
    stays.

    Args:
        host: The vantage and its client ports.
        requests: What to ask.
        connect_timeout: Seconds.
        gate: See `base.Prober.run`.
        max_parallel: How many connections may be open at a time.

    Raises:
        TransportError: If the batch cannot be run, or its output is not whole.

    """
    round_ = _Round(connect_timeout, max_parallel)
    found = _run_once(host, requests, round_, gate)
    _reask(host, requests, round_, found, [number for number in _unread(found) if not _spoils(found[number])])
    deadline = Deadline(_ALONE_S)
    for number in _unread(found):
        if not deadline.passed:
            _reask(host, requests, round_, found, [number])
    return found


@dataclass(frozen=True, slots=True)
class _Round:
    """How a batch is composed: see `curl.compose`."""

    connect_timeout: float
    max_parallel: int


def _reask(
    host: ClientHost,
    requests: Sequence[ProbeRequest],
    round_: _Round,
    found: list[list[curl.Transfer]],
    numbers: Sequence[int],
) -> None:
    """Ask for the lost attempts of these requests, and put what comes back in their place."""
    again = [
        ProbeRequest(requests[number].question, sum(bool(one.lost) for one in found[number])) for number in numbers
    ]
    if not again:
        return
    with suppress(TransportError):  # then they stay lost, and only they
        for number, replies in zip(numbers, _run_once(host, again, round_, at_once), strict=True):
            found[number] = [one for one in found[number] if not one.lost] + [*map(transfers.as_answer, replies)]


def _unread(found: Sequence[Sequence[curl.Transfer]]) -> list[int]:
    return [number for number, ones in enumerate(found) if any(one.lost for one in ones)]


def _spoils(ones: Sequence[curl.Transfer]) -> bool:
    """Whether one of them may have spoiled others of its batch, and may do so again."""
    return any(map(transfers.disturbs, ones))


def _run_once(
    host: ClientHost, requests: Sequence[ProbeRequest], round_: _Round, gate: Callable[[], object]
) -> list[list[curl.Transfer]]:
    asks = [curl.Ask(request.question.target, request.times) for request in requests]
    max_parallel = round_.max_parallel
    batch = curl.compose(asks, round_.connect_timeout, host.ports, parallel=max_parallel)
    turns = 1 + sum(ask.times for ask in asks) // max_parallel
    timeout = (round_.connect_timeout + curl.ANSWER_TIME) * turns + _SLACK
    for attempt in stamina.retry_context(on=TornError, attempts=_TORN_TRIES, wait_initial=0.1, wait_jitter=0.1):
        with attempt:
            output = _run(host.vantage, batch, timeout, gate)
            return _read(host.vantage, output, asks, batch, partial=attempt.num == _TORN_TRIES)
    raise AssertionError  # stamina either returns or raises


def _run(vantage: Prober, batch: curl.Batch, timeout: float, gate: Callable[[], object]) -> bytes:
    for attempt in stamina.retry_context(on=_cut, attempts=3, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2):
        with attempt:
            done = vantage.run(batch.command, batch.stdin, timeout, gate)
            _refuse_unstarted(done, batch)
            return done.stdout
    raise AssertionError  # stamina either returns or raises


def _refuse_unstarted(done: Completed, batch: curl.Batch) -> None:
    """Raise UnusableError if the command ended with an error and the script never began: no shell, or no login."""
    if done.exit_code and batch.mark.encode() not in done.stdout:
        words = shorten((done.stderr or done.stdout)[: 4 * _MESSAGE_MAX].decode("utf-8", "replace"), _MESSAGE_MAX)
        message = f"the shell did not run the batch: it ended {done.exit_code}: {words}. Allow `sh -c` there"
        raise UnusableError(message)


def _read(
    vantage: Prober, output: bytes, asks: Sequence[curl.Ask], batch: curl.Batch, *, partial: bool
) -> list[list[curl.Transfer]]:
    try:
        return transfers.read(output, asks, batch.mark, partial=partial)
    except transfers.OutdatedError as error:
        message = f"curl is too old: got {_version(vantage)}, want curl >= 7.75 ({error}). Use another image or host"
        raise UnusableError(message) from error


def _version(vantage: Prober) -> str:
    try:
        printed = vantage.run(("sh", "-c", "curl -q -V"), "", _SLACK).stdout
    except TransportError:
        return "a version that could not be read"
    found = re.search(rb"^curl [0-9][^ \n]*", printed, re.MULTILINE)
    return found[0].decode("ascii", "replace") if found else "a version that could not be read"


def _cut(error: Exception) -> bool:
    return isinstance(error, TransportError) and not isinstance(error, (TornError, UnusableError))
