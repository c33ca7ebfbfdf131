"""What every attempt got. Knows nothing of what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address  # noqa: TC003 - dataclasses are serialised by type at run time

BURST = 6  # ICMP errors a rested Linux kernel sends to one client at once, then one a second (XRLIM_BURST_FACTOR)


class Outcome(StrEnum):
    """How one connection ended. `TIMEOUT`: no TCP answer; `HANG`: connected, then no HTTP answer."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    HANG = "hang"
    WRONG_BACKEND = "wrong-backend"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One fresh connection. Times in seconds; `exit_code` and `message` are curl's own."""

    outcome: Outcome
    source: IPv4Address | None = None
    backend: str | None = None
    seconds: float = 0.0
    exit_code: int = 0
    message: str = ""
    http_status: int = 0
    local: str = ""
    remote: str = ""
    scout: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """All attempts of one cell.

    `trouble` says why it could not be asked; then `attempts` may be empty, and the cell is inconclusive: it never
    counts as unreachable. `sure`: it was silent when the node that might have refused it had an ICMP error to spare.
    """

    cell: str
    target: str = ""
    attempts: tuple[Attempt, ...] = field(default=())
    trouble: str = ""
    sure: bool = False
