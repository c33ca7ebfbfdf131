"""Where a question is asked from, as the runner sees it: a name, and a way to run one command there.

    TransportError            the command did not run to its end, or its output was lost: tried again as transport
    ├── TornError             it ran, and what came back is not whole
    └── UnusableError         trying again cannot help: curl is missing, host key wrong, login refused, no such pod

All say what was tried, where, what came back and what to do next. None of them is ever an outcome of an attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Bytes that a command may print. A batch of 900 attempts (`batch.ATTEMPTS_MAX`) prints less than 1 KB of reports and at
# most 1 KB of bodies for each attempt.
OUTPUT_MAX = 4 * 1024 * 1024


class TransportError(HairpinError):
    """The question did not reach the vantage, or its answer did not come back whole."""


class TornError(TransportError):
    """The command ran, but its output is cut, mixed or misses attempts."""


class UnusableError(TransportError):
    """The vantage cannot be asked, and trying again would not change that."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end."""

    stdout: bytes
    stderr: bytes = b""
    exit_code: int = 0


def refuse_flood(where: object, size: int) -> None:
    """Raise UnusableError if a command at `where` has printed more than OUTPUT_MAX bytes."""
    if size > OUTPUT_MAX:
        message = f"{where}: the output of the command is too long: got more than {OUTPUT_MAX} bytes, want less"
        raise UnusableError(message)


def at_once() -> None:
    """The gate that is open."""


class Prober(Protocol):
    """A place commands can be run at. `run` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The vantage's name in the topology."""

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        """Run `command` there, feeding it `stdin`, for at most `timeout` seconds.

        `gate` is called once the command runs and before it is fed: starting one takes its time, and need not be
        waited for when many are to begin together.
        TransportError if it did not run to its end, or printed more than OUTPUT_MAX bytes; a command that ended with
        any exit code is Completed.
        """
