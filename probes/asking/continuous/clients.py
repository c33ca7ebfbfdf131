"""Start client.py at every vantage and end them all.

The clients end when the pipe that is their standard input is closed, so also when this process is killed.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probes.asking.continuous import client
from topologies.common.subprocesses import spawn, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from topologies.common.subprocesses import Child
    from topologies.frontends import Target

PROGRAM = Path(client.__file__)
END_S = 15.0  # what is under way ends within a few timeouts


@dataclass(frozen=True, slots=True)
class AskingPace:
    """How often and how patiently clients ask. Times in seconds.

    `interval_s`: between two fresh connections to one target; `timeout_s`: until one counts as timed out; `hold_s`:
    between two questions on a held connection; `hung_s`: until a held connection counts as hung and is given up.
    """

    interval_s: float = 0.25
    timeout_s: float = 1.0
    hold_s: float = 0.2
    hung_s: float = 10.0


def client_command(targets: Sequence[Target], pace: AskingPace) -> list[str]:
    """Return the command of one client, without what enters its namespaces."""
    plan = {
        "interval_s": pace.interval_s,
        "timeout_s": pace.timeout_s,
        "hold_s": pace.hold_s,
        "hung_s": pace.hung_s,
        "targets": [[str(target.address), target.port] for target in targets],
    }
    return [sys.executable, "-I", str(PROGRAM), json.dumps(plan)]


@contextmanager
def asking(
    targets: Mapping[str, Sequence[Target]],
    enter: Callable[[str, Sequence[str]], list[str]],
    pace: AskingPace,
    folder: Path,
) -> Iterator[None]:
    """Ask from every vantage in the block; what the clients print is in `<vantage>.jsonl` of the folder.

    Args:
        targets: By vantage name.
        enter: Returns the command that runs a command at a vantage.
        pace: How often to ask.
        folder: Where the clients' output goes.

    """
    reads, holds = os.pipe()
    children: list[Child] = []
    try:
        try:
            for vantage, own in targets.items():
                command = enter(vantage, client_command(own, pace))
                children.append(spawn(command, events_file(folder, vantage), stdin=reads))
        finally:
            os.close(reads)
        yield
    finally:
        os.close(holds)
        for child in children:
            if wait(child, END_S) is None:
                child.kill()


def events_file(folder: Path, vantage: str) -> Path:
    """Return the file with one vantage's events."""
    return folder / f"{vantage}.jsonl"
