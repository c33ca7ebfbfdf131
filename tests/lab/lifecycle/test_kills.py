"""`make demo` may be killed at any moment: then `down` leaves the machine as it was, and the run is readable.

`HAIRPIN_KILLS=40 HAIRPIN_KILLS_TOPOLOGY=lab-flannel pytest tests/lab/lifecycle/test_kills.py -s` kills 40 times;
otherwise twice, and with `HAIRPIN_SLOW=1` five times. Each test prints what was killed, when, and how far the run had
come. `HAIRPIN_SEED` chooses other moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from reports.records.journal import load
from tests.lab.support.machine import changes, pids, traces
from tests.lab.support.settings import SLOW
from tests.unit.support.paths import ROOT
from topologies.common.waiting import Deadline, until
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-kills"
KILLS = int(os.environ.get("HAIRPIN_KILLS", "5" if SLOW in os.environ else "2"))
SEED = int(os.environ.get("HAIRPIN_SEED", "1"))
BASE = os.environ.get("HAIRPIN_KILLS_TOPOLOGY", "lab-small")
PATIENCE = 120  # seconds the rest of a demo whose parent alone was killed may take to notice
DAEMONS = ("supervisor", "etcd", "kube-apiserver", "kubelet", "containerd", "kube-proxy")


@dataclass(frozen=True)
class Demo:
    """A place for `make demo`'s lab and runs. `lasts`: seconds a whole one takes here, now."""

    topology: Path
    out: Path
    lasts: float
    before: dict[str, set[str]]

    def start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTEST_ADDOPTS": f"--out={self.out}"}
        with (self.out.parent / "said").open("wb") as said:
            return subprocess.Popen(
                ["/usr/bin/make", "demo", f"TOPOLOGY={self.topology}"],
                cwd=ROOT,
                env=env,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def runs(self) -> set[Path]:
        return {path for path in self.out.glob("*") if not path.is_symlink()}


def down() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topologies.lab", "down", NAME], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(done.stderr, end="")
    assert done.returncode == 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Measured by one demo that nobody kills: it ends by itself, whatever its verdicts, and takes its lab away."""
    lab.down(NAME)
    home = tmp_path_factory.mktemp("kills")
    text = (LIBRARY / f"{BASE}.yaml").read_text(encoding="utf-8").replace(f"name: {BASE}", f"name: {NAME}")
    (home / "mine.yaml").write_text(text, encoding="utf-8")
    before, began = traces(NAME), monotonic()
    whole = Demo(home / "mine.yaml", home / "out", 0, before)
    assert whole.start().wait() in {0, 2}, (home / "said").read_text()  # 2 is make's word for a cell that failed
    lasts = monotonic() - began
    assert load(whole.out / "last").complete
    assert not changes(before, traces(NAME))
    yield Demo(whole.topology, whole.out, lasts, before)
    lab.down(NAME)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_demo_leaves_no_trace_and_a_readable_run(number: int, demo: Demo) -> None:
    chance = random.Random(f"{SEED} {number}")
    moment, which = chance.uniform(0, demo.lasts), chance.choice(["all", "make", "pytest", *DAEMONS])
    known, process = demo.runs(), demo.start()
    sleep(moment)
    kill(process, which)
    if which not in DAEMONS:
        process.wait()

    down()
    until(lambda: "; ".join(session(process.pid).values()), Deadline(PATIENCE), "the end of what make had started")
    down()

    left = changes(demo.before, traces(NAME))
    print(f"\n{number}: {which} after {moment:.1f} of {demo.lasts:.1f} s: {told(demo.runs() - known)}; left: {left}")
    assert not left


def kill(process: subprocess.Popen[bytes], which: str) -> None:
    """SIGKILL to make and all it started (the lab itself apart), to make alone, to the pytest of that moment, or to a
    daemon of the lab, if it runs.
    """
    if which in DAEMONS:
        for pid in daemons(which):
            with suppress(ProcessLookupError):  # the demo is over, and its lab goes
                os.kill(pid, signal.SIGKILL)
        return
    pytests = [pid for pid, line in session(process.pid).items() if "-m pytest" in line]
    if which == "all":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(pytests[-1] if which == "pytest" and pytests else process.pid, signal.SIGKILL)


def daemons(name: str) -> list[int]:
    """The pids of one of the lab's daemons (its first process, for `supervisor`), found in the lab's cgroups."""
    sandbox = Sandbox(NAME, locate(NAME))
    if name == "supervisor":
        return [sandbox.first_pid] if sandbox.first_pid else []
    return pids(NAME, name)


def session(leader: int) -> dict[int, str]:
    """Pid and command line of every process of this session, and of the epilogues, which have one of their own."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if fields[0] != "Z" and (
            int(fields[3]) == leader or (f"{NAME}-" in line and "reports.records.crash_recovery" in line)
        ):
            found[int(path.name)] = line
    return found


def told(fresh: set[Path]) -> str:
    """How far the run had come, as its `run.json` tells; one that had begun has a readable one."""
    begun = [path for path in fresh if (path / "records.jsonl").exists() and (path / "records.jsonl").stat().st_size]
    if not begun:
        return "no run had begun"
    run = load(begun[0])
    assert json.loads((begun[0] / "run.json").read_bytes())["schema_version"] == "2"
    assert len(run.records) + len(run.unasked) == len(run.plan)
    return f"{len(run.records)} of {len(run.plan)} cells, {'complete' if run.complete else 'not complete'}"
