"""A phase of a run: what every vantage probes, and within which limits. `schedule.py` has their order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING

from probes.asking.curl import PARALLEL_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from threading import Event

    from probes.asking.batch import ProbeRequest
    from probes.asking.vantage_run import VantageRun


class Connections(Enum):
    """The budget from which a phase takes its connections."""

    WHOLE = auto()
    """The run's budget, for the whole phase before it begins."""
    BATCH = auto()
    """The run's budget, batch by batch."""
    LOW_LOAD = auto()
    """The small budget for probing at low load, batch by batch."""
    NONE = auto()
    """No budget: the phase opens few connections."""


@dataclass(frozen=True, slots=True)
class PhaseStep:
    """Requests that one vantage probes together, at most `max_parallel` at a time."""

    requests: list[ProbeRequest]
    max_parallel: int = PARALLEL_MAX


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a run. All vantages probe it at once, and a phase begins when all have finished the one before."""

    name: str
    steps: Callable[[VantageRun], Iterable[PhaseStep]]
    """Returns the steps of one vantage. Each step is made when the vantage has finished the one before."""
    connections: Connections = Connections.BATCH
    first: bool = False
    """Whether these are first attempts, which set session affinity."""
    head_start_s: float = 0.0
    """If above 0, the next phase starts its commands at once and probes when this phase is over, or this much later."""
    one_vantage_per_node: bool = False
    """Whether the vantages of one node probe one after the other."""
    connect_timeout_max_s: float = inf
    note: str = ""
    """A line of progress to print when the phase begins."""
    meanwhile: Callable[[Event], Iterator[Phase]] | None = None
    """Returns phases to probe beside this one until the event is set, which happens when this phase is over."""
