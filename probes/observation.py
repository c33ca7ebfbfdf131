"""The results of attempts. Knows nothing of what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from topologies.common.addresses import IPAddress  # noqa: TC001 - dataclasses are serialised by type at run time

if TYPE_CHECKING:
    from collections.abc import Iterable

BURST = 6  # ICMP errors an idle Linux kernel sends to one client at once, then one a second (XRLIM_BURST_FACTOR)


class Outcome(StrEnum):
    """How one connection ended. `TIMEOUT`: no TCP answer; `HANG`: connected, then no HTTP answer.

    `NO_NAME`: the DNS server answered that the name does not exist, so there was no connection.
    """

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    HANG = "hang"
    WRONG_BACKEND = "wrong-backend"
    NO_NAME = "no-such-name"


LOST = frozenset({Outcome.TIMEOUT, Outcome.HANG, Outcome.RESET})


def count_limited_refusals(outcomes: Iterable[Outcome], *, by_icmp: bool) -> tuple[Outcome, ...]:
    """Return one cell's outcomes, with timeouts among ICMP refusals as refusals.

    Kernels rate-limit ICMP errors (docs/observations.md "ICMP rate limit"), so a refused cell may time out.

    Args:
        outcomes: Those of all attempts that count.
        by_icmp: Whether ICMP may refuse the cell.

    """
    seen = tuple(outcomes)
    if not by_icmp or Outcome.REFUSED not in seen:
        return seen
    return tuple(Outcome.REFUSED if one is Outcome.TIMEOUT else one for one in seen)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One fresh connection. Times in seconds; `exit_code` and `message` are curl's own.

    `lost`: it ended in a way that load alone can cause. `loaded`: it was made while our own load brought answers near
    their time limit, and its cell was asked again at low load.
    """

    outcome: Outcome
    source: IPAddress | None = None
    backend: str | None = None
    seconds: float = 0.0
    exit_code: int = 0
    message: str = ""
    http_status: int = 0
    local: str = ""
    remote: str = ""
    scout: bool = False
    lost: bool = False
    loaded: bool = False

    @property
    def counts(self) -> bool:
        """Whether it shows anything about the cluster: it may have been lost to our own load."""
        return not (self.loaded and self.lost)


@dataclass(frozen=True, slots=True)
class Observation:
    """All attempts of one cell.

    `trouble` is the reason why it could not be probed. Then `attempts` may be empty, and the cell is inconclusive: it
    never counts as unreachable. `sure`: it was silent when the node that might have refused it had an ICMP error to
    spare. `unsure`: it was silent, and there was no time to find out whether the ICMP limit is the reason. `load`: the
    latencies because of which it was probed again at low load, or empty.
    """

    cell: str
    target: str = ""
    attempts: tuple[Attempt, ...] = field(default=())
    trouble: str = ""
    sure: bool = False
    unsure: bool = False
    load: str = ""

    @property
    def counted(self) -> tuple[Attempt, ...]:
        """The attempts that show something about the cluster."""
        return tuple(one for one in self.attempts if one.counts)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of the attempts that count."""
        return tuple(one.outcome for one in self.counted)
