"""Observe a side in a lab of its own: a pytest run in a subprocess, then its run.json. Imports topologies.lab.

Each lab has a name of its own (`lab-flannel-from`), so that no lab of the user is touched, and is removed when its run
has ended. Raises LabRunError.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.records import journal
from topologies.common.errors import HairpinError
from topologies.common.subprocesses import start, tail
from topologies.common.waiting import pause
from topologies.lab import lab, requirements
from topologies.lab.build import binaries, container_runtime
from topologies.lab.build.kubernetes import PACKAGED
from topologies.lab.build.node_proxies import PROXY
from topologies.lab.given_programs import GivenPrograms
from topologies.lab.guest import ipvs_support
from topologies.loading.load import validated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.records.run import Run
    from topologies.common.subprocesses import Child
    from topologies.schema.topology import Topology

ROOT = Path(__file__).parents[2]  # pytest's configuration and the suites are there
SIMULATE = "--simulate"
CORES, MEMORY_GB = 8, 8.0  # two labs at once from here on: one is busy on two cores, and its workers need about 3 GB
RAN = (0, 1)  # exit codes of a run that judged its cells
VERDICTS = ("ERROR", "INCONCLUSIVE", "NOT TESTED", "FAIL")
POLL_S = 0.05
LONGEST = 63  # characters of a lab's name


class LabRunError(HairpinError):
    """A side cannot be observed: its lab cannot be made. The message has the next step; nothing was started."""


@dataclass(slots=True)
class LabRun:
    """One side's lab, and the run in it. `label` is from or to."""

    label: str
    contents: dict[str, Any]
    folder: Path
    kubernetes_bin: Path | None = None
    arguments: tuple[str, ...] = ()
    """Further arguments of pytest."""
    seconds: float = 0.0
    code: int | None = None
    began: float = 0.0
    child: Child | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The lab's name."""
        return f"{str(self.contents['name'])[: LONGEST - 5]}-{self.label}"

    @property
    def topology(self) -> Topology:
        """The topology under the lab's name."""
        return validated({**self.contents, "name": self.name}, self.name)

    @property
    def log(self) -> Path:
        """The file with the output of the run."""
        return self.folder / "pytest.log"

    @property
    def is_simulated(self) -> bool:
        """Whether no lab is made."""
        return SIMULATE in self.arguments

    @property
    def command(self) -> list[str]:
        """The command of the run. Its topology is written as JSON, which is YAML."""
        own = [f"--topology={self.folder / 'topology.yaml'}", f"--out={self.folder}"]
        programs = [f"--kubernetes-bin={self.kubernetes_bin}"] if self.kubernetes_bin else []
        return [sys.executable, "-m", "pytest", *own, *programs, *self.arguments]

    def begin(self) -> None:
        """Write the topology and start the run.

        Raises:
            LabRunError: The folder cannot be written.

        """
        try:
            self.folder.mkdir(parents=True)
            written = json.dumps({**self.contents, "name": self.name}, indent=1)
            (self.folder / "topology.yaml").write_text(written + "\n", encoding="utf-8")
        except OSError as error:
            message = f"--out: {self.folder} cannot be written: {error.strerror or error}. Give another folder"
            raise LabRunError(message) from error
        self.began = time.monotonic()
        self.child = start(self.command, self.log, env=os.environ, cwd=ROOT)

    def is_running(self) -> bool:
        """Return whether the run still runs; note its end."""
        if self.child is None or self.code is not None:
            return False
        self.code = self.child.poll()
        self.seconds = time.monotonic() - self.began
        return self.code is None

    def read(self) -> tuple[Run | None, str, str]:
        """Return the run, its folder, and why it has no records or is not complete; empty if it judged its cells."""
        folder = (self.folder / "last").resolve()
        trouble = "" if self.code in RAN else f"the run ended with exit code {self.code}: {self._last_line()}"
        if self.code not in RAN:
            with suppress(journal.JournalError):  # a killed run: what its journal has
                journal.recover(folder)
        try:
            run = journal.load(folder)
        except journal.JournalError as error:
            return None, "", trouble or str(error)
        return (run, str(folder), trouble) if run.records else (None, "", trouble or f"{folder} has no records")

    def _last_line(self) -> str:
        lines = [line for line in tail(self.log, 40).splitlines() if line.strip()]
        found = next((line for line in reversed(lines) if line.startswith(VERDICTS)), lines[-1])
        return f"{found[:300]} (log: {self.log})"

    def remove_lab(self) -> None:
        """Remove the lab, if there is one."""
        if not self.is_simulated:
            lab.down(self.name)


def check(runs: Sequence[LabRun]) -> None:
    """Check that the labs can be made, before any is.

    Raises:
        LabRunError: The programs of a version are missing, or a lab of that name is up.
        HairpinError: The machine lacks something that a lab needs, or a lab cannot have such a cluster.

    """
    live = [run for run in runs if not run.is_simulated]
    for run in live:
        requirements.check_versions(run.topology)
        if lab.find(run.name):
            message = (
                f"lab {run.name}: got one that is up, want none: another qualification uses it, or one was killed. "
                f"Run `hairpin lab down {run.name}`"
            )
            raise LabRunError(message)
    _check_programs(live)
    for run in live:
        modes = {run.topology.proxy_of(node.name).mode for node in run.topology.nodes}
        requirements.check(modes)
        container_runtime.find(run.topology.kubernetes, cache=binaries.cache_dir())


def _check_programs(runs: Sequence[LabRun]) -> None:
    """Check that the programs of every node are there. 1.20.2 is built now, if need be, with its progress shown."""
    cache = binaries.cache_dir()
    wanted = {get for run in runs for get in _find_missing(run, cache)}
    if wanted:
        kept = sorted(path.name for path in (cache / "kubernetes").glob("[0-9]*") if (path / PROXY).exists())
        message = (
            f"programs of Kubernetes in {cache / 'kubernetes'}: got {', '.join(kept) or 'none'}, want those of both "
            f"sides. Run `{'; '.join(sorted(wanted))}`, or give --predict-only"
        )
        raise LabRunError(message)
    for run in runs:
        GivenPrograms.parse(run.kubernetes_bin, ()).find(run.topology, cache=cache, progress=_print)


def _find_missing(run: LabRun, cache: Path) -> Iterator[str]:
    """Yield the command that builds the programs of each version which the cache does not have."""
    topology = run.topology
    proxies = {topology.proxy_version_of(node.name) for node in topology.nodes}
    needed = {version: [PROXY] for version in proxies - {topology.kubernetes}}
    if run.kubernetes_bin is None:
        needed[topology.kubernetes] = [
            name for name in binaries.RELEASED if name != PROXY or topology.kubernetes in proxies
        ]
    for version, programs in needed.items():
        if version != PACKAGED and binaries.complaints(binaries.place(version, cache), programs):
            yield f"hairpin lab get {version}{f' {PROXY}' if programs == [PROXY] else ''}"


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def fit_side_by_side(cores: int, memory_gb: float, *, guests: bool) -> bool:
    """Return whether two labs at once are no slower than one after the other, and fit. A guest kernel takes most."""
    return cores >= CORES and memory_gb >= MEMORY_GB and not guests


def are_side_by_side(runs: Sequence[LabRun]) -> tuple[bool, str]:
    """Return whether the labs run at once on this machine, and the sentence that states it."""
    cores, memory = os.cpu_count() or 1, _read_available_gb()
    guests = any(not run.is_simulated and ipvs_support.reason_for_guest(run.topology) for run in runs)
    both = len(runs) > 1 and fit_side_by_side(cores, memory, guests=guests)
    room = f"{cores} cores and {memory:.1f} GB available{', a guest kernel' if guests else ''}"
    limit = f"side by side from {CORES} cores and {MEMORY_GB:.0f} GB, without a guest kernel"
    return both, f"the labs run {'side by side' if both else 'one after the other'}: {room} ({limit})"


def _read_available_gb() -> float:
    words = Path("/proc/meminfo").read_text().split()
    return int(words[words.index("MemAvailable:") + 1]) / 2**20


def observe(runs: Sequence[LabRun], *, at_once: bool) -> Iterator[LabRun]:
    """Run all sides and yield each that has ended, without its lab. An interruption ends them and their labs."""
    with _terminate_as_interrupt():
        for together in [list(runs)] if at_once else [[run] for run in runs]:
            try:
                for run in together:
                    with defer_interrupts():
                        run.begin()
                    _print(f"hairpin qualify: {run.label}: a lab is brought up and probed; log {run.log}")
                while sum(run.is_running() for run in together):
                    pause(POLL_S)
            except BaseException:
                _interrupt(together)
                raise
            finally:
                for run in together:
                    run.remove_lab()
            yield from together


def _interrupt(runs: Sequence[LabRun]) -> None:
    """End the runs as SIGTERM does: within 10 s, with what was asked in their run.json."""
    for run in runs:
        if run.child is not None and run.child.poll() is None:
            run.child.terminate()
    for run in runs:
        while run.child is not None and run.child.poll() is None:
            with suppress(KeyboardInterrupt):
                run.child.wait()


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Raise an interruption of the block after it: a run whose start is interrupted could not be ended."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, _: received.append(got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C meanwhile."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
