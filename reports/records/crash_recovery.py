"""Write `run.json` of a run whose process was killed: `python -m reports.records.crash_recovery FOLDER`.

Its standard input is a pipe from the run's process. If the pipe closes before the run has sent that `run.json` is
written, this process writes `run.json` from the journal. It runs in a session of its own, so that a signal to the
run's process group does not end it, and imports other modules of ours only when it needs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ASKING = ".asking"  # the lock of the process that probes; with pytest-xdist that is a worker
CHANGING = ".scenarios"  # likewise: the lock of the process that runs scenarios
PATIENCE_S = 60.0  # seconds a worker of pytest-xdist may outlive the run's process


@dataclass(frozen=True, slots=True)
class CrashRecovery:
    """The process that writes `run.json` if the run's process is killed."""

    process: subprocess.Popen[bytes]

    @classmethod
    def begin(cls, folder: Path) -> CrashRecovery:
        """Start it for the run of this folder, which may not exist yet."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "reports.records.crash_recovery", str(folder.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        return cls(process)

    def end(self, *, saved: bool) -> None:
        """End it with the run. `saved`: `run.json` is written, and nothing is left to do."""
        self.process.communicate(b"saved" if saved else b"")


def recover_run(folder: Path) -> None:
    """Make `run.json` of the folder's journal as soon as no process probes for it any more.

    Raises:
        JournalError: `run.json` cannot be written.

    """
    from filelock import FileLock  # noqa: PLC0415 - see above

    from reports.records import journal  # noqa: PLC0415 - see above

    with FileLock(folder / ASKING, timeout=PATIENCE_S), FileLock(folder / CHANGING, timeout=PATIENCE_S):
        journal.recover(folder)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    os.nice(10)
    for ignored in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    if not sys.stdin.buffer.read() and (given / "run.json").exists():
        recover_run(given)
