"""A vantage as the runner sees it: a name, and a way to run one command there.

    TransportError            the command did not run to its end, or its output was lost: tried again as transport
    ├── TornError             it ran, and what came back is not whole
    └── UnusableError         trying again cannot help: curl is missing, host key wrong, login refused, no such pod

Each message gives what was tried, where, what came back and what to do next. None is ever an outcome of an attempt.
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
    """Return at once: the gate that is always open."""


class Prober(Protocol):
    """A vantage at which commands can be run. `run` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The vantage's name in the topology."""

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        """Run `command` there, feeding it `stdin`, for at most `timeout` seconds.

        Args:
            command: The command and its arguments.
            stdin: What it reads.
            timeout: In seconds.
            gate: Called when the command runs and before it is fed, so that many commands can begin together.

        Returns:
            What the command printed. It may have ended with any exit code.

        Raises:
            TransportError: It did not run to its end, or printed more than OUTPUT_MAX bytes.

        """
