"""Probe silent cells again, at the pace at which kernels send ICMP errors, until their silence is explained.

Linux sends one client a burst of 6 ICMP errors, then one a second (net.ipv4.icmp_ratelimit; docs/observations.md "ICMP
rate limit"). The limit is counted between a client's node and the node that may refuse it: a *node pair*. A round
reveals one refusal per client, however many cells it probes. So n refusals beyond the burst take n rounds, 1.1 s apart.
A round probes a window of each vantage's silent cells at a node pair. Cells whose Service declares no backend come
first. If a node pair has no refusal in two rounds in a row, the cells probed in both rounds are confirmed as timeouts:
the kernel was allowed to send another ICMP error.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from probes.asking.batch import ProbeRequest, Question
from probes.asking.phase import Connections, Phase, PhaseStep
from probes.asking.vantage_run import VantageRun
from probes.observation import BURST, Outcome
from topologies.common.waiting import spaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from threading import Event

ROUNDS_MAX = 110  # about two minutes: the time of 116 refusals at one node pair
IDLE_MAX = 10  # rounds in a row that explain nothing; two are enough unless curl was late
PACE_S = 1.1  # between two rounds; the kernel gives one token a second
TIMEOUT_MAX_S = 1.0  # a refusal needs one round trip, and a second SYN would take the next round's token
WINDOW = 40  # cells of one vantage and node pair in a round: one of them is refused, so more would only cost attempts
EARLY_WINDOW = 8  # the same while the sample is probed
EARLY_PACE_S = 1.1

NodePair = tuple[str, str]
Cells = list[tuple[VantageRun, Question]]


def reprobe_early(runs: Sequence[VantageRun], sampled: Event) -> Iterator[Phase]:
    """Yield rounds of silent cells that declare no backend, until `sampled` is set.

    They confirm no timeout, because the sample's traffic may take a node's tokens. They save rounds later.
    """
    began = time.monotonic()
    while not sampled.wait(max(0.0, began + EARLY_PACE_S - time.monotonic())):
        began = time.monotonic()
        limited = [(run, question) for run in runs for question in run.questions if question.limited]
        if not (silent := _by_node_pair(_silent(limited))):
            return
        yield _round({pair: _window(cells, EARLY_WINDOW) for pair, cells in silent.items()})


def reprobe_silent_cells(runs: Sequence[VantageRun]) -> Iterator[Phase]:
    """Yield rounds until each silent cell is refused, answered or confirmed; mark what ROUNDS_MAX rounds leave.

    One round without a refusal is not enough: a redirect that the probes cause takes a client's tokens for a second. A
    round in which curl was late, or that could not be run, confirms nothing.
    """
    silent = _possibly_limited(runs)
    unrefused: dict[NodePair, set[str]] = {}
    counts = [0] * IDLE_MAX
    for _ in spaced(range(ROUNDS_MAX), PACE_S):
        count = sum(map(len, silent.values()))
        if not silent or set(counts) == {count}:
            break
        counts = [*counts[1:], count]
        probed = {pair: _window(cells, WINDOW) for pair, cells in silent.items()}
        measured = len(runs[0].meter.timings)
        yield _round(probed, f"{count} silent cells where refusals are limited: asked once more")
        in_time = not any(timing.middle.is_near for timing in runs[0].meter.timings[measured:])
        now = {pair: _ids(cells) for pair, cells in probed.items() if in_time and len(_silent(cells)) == len(cells)}
        _confirm(probed, {pair: ids & unrefused.get(pair, set()) for pair, ids in now.items()})
        silent = {pair: rest for pair, cells in silent.items() if (rest := _unconfirmed(cells))}
        unrefused = now
    for run, question in (one for cells in silent.values() for one in cells):
        run.silence_unexplained.add(question.cell.id)


def _possibly_limited(runs: Iterable[VantageRun]) -> dict[NodePair, Cells]:
    """Return the silent cells of each node pair that may have reached the limit; no declared backend comes first.

    A node pair reached it if a whole burst was refused. It may have, through other traffic, if a cell that declares no
    backend is silent.
    """
    found: dict[NodePair, Cells] = {}
    for pair, cells in _by_node_pair((run, question) for run in runs for question in run.questions).items():
        silent = _silent(cells)
        if silent and (_refusals(cells) >= BURST or any(question.limited for _, question in silent)):
            found[pair] = sorted(silent, key=lambda one: not one[1].limited)
    return found


def _by_node_pair(cells: Iterable[tuple[VantageRun, Question]]) -> dict[NodePair, Cells]:
    found: dict[NodePair, Cells] = defaultdict(list)
    for run, question in cells:
        found[question.cell.place].append((run, question))
    return found


def _refusals(cells: Cells) -> int:
    return sum(one.outcome is Outcome.REFUSED for run, question in cells for one in run.attempts[question.cell.id])


def _window(cells: Cells, size: int) -> Cells:
    """Return the first `size` cells of each vantage."""
    taken: Counter[int] = Counter()
    window: Cells = []
    for run, question in cells:
        taken[id(run)] += 1
        if taken[id(run)] <= size:
            window.append((run, question))
    return window


def _round(probed: Mapping[NodePair, Cells], note: str = "") -> Phase:
    """Return a phase that probes every cell once, all vantages together."""
    requests: dict[int, list[ProbeRequest]] = defaultdict(list)
    for run, question in (one for cells in probed.values() for one in cells):
        requests[id(run)].append(ProbeRequest(question))
    return Phase(
        "silent cells again",
        lambda run: [PhaseStep(requests[id(run)])] if id(run) in requests else [],
        connections=Connections.NONE,
        connect_timeout_max_s=TIMEOUT_MAX_S,
        note=note,
    )


def _silent(cells: Cells) -> Cells:
    return [(run, question) for run, question in cells if run.is_silent(question)]


def _unconfirmed(cells: Cells) -> Cells:
    return [(run, question) for run, question in _silent(cells) if question.cell.id not in run.silence_confirmed]


def _ids(cells: Cells) -> set[str]:
    return {question.cell.id for _, question in cells}


def _confirm(probed: Mapping[NodePair, Cells], confirmed: Mapping[NodePair, set[str]]) -> None:
    """Mark the cells whose node could have sent a refusal twice and sent none."""
    for pair, cells in probed.items():
        for run, question in cells:
            if question.cell.id in confirmed.get(pair, ()):
                run.silence_confirmed.add(question.cell.id)
