"""Write `run.json` of a run whose process was killed: `python -m reports.records.crash_recovery FOLDER`.

Its standard input is a pipe whose other end the run's process holds. When that ends without having said that all is
told, what the run's journal has becomes `run.json`. It lives in a session of its own, so that what kills the run's
process group does not kill it too, and imports nothing of ours until it is needed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ASKING = ".asking"  # held by the process that asks, which with pytest-xdist is not the one we outlive
PATIENCE = 60.0  # seconds a worker of pytest-xdist may outlive the run's process


@dataclass(frozen=True, slots=True)
class Epilogue:
    """Who has the last word on a run, as long as the run lasts."""

    process: subprocess.Popen[bytes]

    @classmethod
    def begin(cls, folder: Path) -> Epilogue:
        """Start it for the run of this folder, which need not be there yet."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "reports.records.crash_recovery", str(folder.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        return cls(process)

    def end(self, *, told: bool) -> None:
        """The run ends in good order; `told`: its `run.json` is written, and nothing is left to say."""
        self.process.communicate(b"told" if told else b"")


def tell(folder: Path) -> None:
    """Make `run.json` of the folder's journals, as soon as nobody asks any more; JournalError if that cannot be."""
    from filelock import FileLock  # noqa: PLC0415 - see above

    from reports.records import journal  # noqa: PLC0415 - see above

    with FileLock(folder / ASKING, timeout=PATIENCE):
        journal.recover(folder)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    os.nice(10)
    for unheard in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(unheard, signal.SIG_IGN)
    if not sys.stdin.buffer.read() and (given / "run.json").exists():
        tell(given)
