"""The same asking as `session.conduct`, in a process where the cluster can be reached and this process cannot.

`conduct` starts `python -m probes.remote` behind a *door*, a command that runs another one there (in a guest kernel),
and leaves here what needs no cluster: pytest, the verdicts, the reports. Over the process's pipes go lines of JSON: in,
one `Order`; out, a `Told` for each thing told. The order's pipe stays open: when it closes, whoever gave the order is
gone, and the process takes the workload away and ends.

Errors: ClusterError, as there, and where the process ended without an answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from threading import Event, Lock, Thread
from typing import IO, TYPE_CHECKING, cast

from pydantic import TypeAdapter

from probes import session
from probes.observation import Observation  # noqa: TC001 - this and the next are read back by type at run time
from probes.plan import plan
from probes.session import Answers, Options  # noqa: TC001
from topologies.cluster import ClusterError
from topologies.model import Topology  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.cell import Cell


@dataclass(frozen=True)
class Order:
    """What to ask: cells by id, of the topology's plan with these samples."""

    topology: Topology
    samples: int | None
    cells: tuple[str, ...]
    run: str
    options: Options


@dataclass(frozen=True)
class Told:
    """One thing told: a line of progress, observations that are new, what settled, the answers, or why there are none.

    `settled` and `answers` come without observations: those were told before.
    """

    say: str | None = None
    heard: dict[str, Observation] | None = None
    settled: Answers | None = None
    answers: Answers | None = None
    failed: str | None = None


ORDER, TOLD = TypeAdapter(Order), TypeAdapter(Told)


def conduct(  # noqa: PLR0913 - as session.conduct, and through which door
    door: Sequence[str],
    topology: Topology,
    cells: Sequence[Cell],
    run: str,
    options: Options,
    *,
    say: Callable[[str], None],
    heard: Callable[[dict[str, Observation]], None] = lambda _: None,
    before_asking: Callable[[Answers], None] = lambda _: None,
    samples: int | None = None,
) -> Answers:
    """`session.conduct` behind a door, the command in front of which a command runs there; ClusterError.

    `samples` as the plan was made with. The files that `options` names are read behind the door.
    """
    order = Order(topology, samples, tuple(cell.id for cell in cells), run, options)
    found: dict[str, Observation] = {}
    command = [*door, sys.executable, "-m", "probes.remote"]
    # A session of its own: Ctrl-C is for us, and the end of the order's pipe tells it.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:  # noqa: S603 - ours
        given, said = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        try:
            given.write(ORDER.dump_json(order) + b"\n")
            given.flush()
            for line in said:
                told = TOLD.validate_json(line)
                if told.say is not None:
                    say(told.say)
                if told.heard is not None:
                    found |= told.heard
                    heard(told.heard)
                if told.settled is not None:
                    before_asking(told.settled)
                if told.failed is not None:
                    raise ClusterError(told.failed)
                if told.answers is not None:
                    return replace(told.answers, observations=found)
        except BrokenPipeError:
            pass  # its status tells more
        finally:
            with suppress(BrokenPipeError):
                given.close()
    message = f"the process that asks ended with status {child.returncode} and no answer; what it said is above"
    raise ClusterError(message)


class Teller:
    """Writes what is told, a line each, from any thread; of the observations what was not told yet."""

    def __init__(self, out: int) -> None:
        self.out, self.lock = out, Lock()
        self.known: dict[str, Observation] = {}

    def tell(self, told: Told) -> None:
        """One line."""
        said = {one.name for one in fields(told) if getattr(told, one.name) is not None}
        rest = memoryview(TOLD.dump_json(told, include=said) + b"\n")
        with self.lock:
            while rest:
                rest = rest[os.write(self.out, rest) :]

    def say(self, line: str) -> None:
        """Progress."""
        self.tell(Told(say=line))

    def heard(self, observations: dict[str, Observation]) -> None:
        """Those observations that are new."""
        with self.lock:
            news = {cell: seen for cell, seen in observations.items() if self.known.get(cell) != seen}
            self.known |= news
        if news:
            self.tell(Told(heard=news))


def main() -> None:
    """Do as the order on standard input says; what is printed by anyone else goes to standard error."""
    teller = Teller(os.dup(1))
    os.dup2(2, 1)
    order = ORDER.validate_json(sys.stdin.buffer.readline() or sys.exit("no order came"))
    over = Event()
    Thread(target=_interrupt_at_the_end, args=[over], daemon=True).start()
    wanted = set(order.cells)
    cells = [cell for cell in plan(order.topology, order.samples).cells if cell.id in wanted]
    try:
        answers = session.conduct(
            order.topology,
            cells,
            order.run,
            order.options,
            say=teller.say,
            heard=teller.heard,
            before_asking=lambda known: teller.tell(Told(settled=known)),
        )
    except ClusterError as error:
        over.set()
        teller.tell(Told(failed=str(error)))
    else:
        over.set()
        teller.heard(answers.observations)
        teller.tell(Told(answers=replace(answers, observations={})))


def _interrupt_at_the_end(over: Event) -> None:
    """As Ctrl-C does, so that the workload is taken away, unless it has been."""
    while os.read(0, 1):
        pass
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
