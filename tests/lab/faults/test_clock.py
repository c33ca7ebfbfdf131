"""The wall clock of pytest's host is wrong, or is set while a run lasts; that of the cluster is not."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from reports.records.journal import load
from tests.lab.support.broken import small
from tests.lab.support.settings import SLOW
from tests.unit.support.paths import ROOT
from topologies.lab.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root"),
    pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc on this machine"),
]
NAME = "test-clock"
HOUR, DAY = 3600, 86400


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small(NAME, tmp_path_factory.mktemp("clock")) as file:
        yield file


@dataclass(frozen=True)
class WallClock:
    """What shifts the wall clock of a program and of all it starts, and nothing else."""

    library: Path
    file: Path

    def shift(self, seconds: int) -> None:
        """From now on, also in what runs already."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    @property
    def env(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "WALL_CLOCK": str(self.file)}


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    source, made = (
        ROOT / "tests" / "lab" / "support" / "wall_clock.c",
        WallClock(tmp_path / "wall_clock.so", tmp_path / "shift"),
    )
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", made.library, source], check=True)
    made.file.write_bytes(bytes(8))
    return made


def start(topology: Path, clock: WallClock, out: Path, *more: str) -> subprocess.Popen[str]:
    sandbox = Sandbox.find(NAME)
    command = [sys.executable, "-m", "pytest", "-q", f"--topology={topology}", f"--out={out}", *more]
    return subprocess.Popen(
        sandbox.enter_command("cp", command),
        cwd=ROOT,
        env=sandbox.environment() | clock.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


FEW = [(-HOUR, "", -HOUR), (0, "balancer's pools", -HOUR)]
MORE = [(0, "balancer's pools", HOUR)]


@pytest.mark.parametrize(("before", "moment", "after"), [*FEW, *MORE] if SLOW in os.environ else FEW)
def test_a_wrong_clock_changes_no_verdict(  # noqa: PLR0913 - three numbers and three fixtures
    before: int, moment: str, after: int, topology: Path, clock: WallClock, tmp_path: Path
) -> None:
    """The last thing that a run says before it asks is that it waits for the load balancer's pools."""
    clock.shift(before)
    process, began, told = start(topology, clock, tmp_path / "out"), monotonic(), []
    assert process.stdout is not None
    for line in process.stdout:
        told.append(line)
        if moment and moment in line:
            clock.shift(after)
    code, lasted, run = process.wait(), monotonic() - began, load(tmp_path / "out" / "last")

    print(f"\nclock {before:+d} s, then {after:+d} s: exit {code} after {lasted:.1f} s, {run.timings}")
    assert code == 0, "".join(told)
    assert {record.verdict for record in run.records} == {"pass"}
    assert run.finished is not None
    assert timedelta(0) < run.finished - run.started < timedelta(seconds=lasted)
    assert min(one.seconds for record in run.records for one in record.observed.attempts) >= 0


def test_a_clock_two_days_behind_is_asked_about(topology: Path, clock: WallClock, tmp_path: Path) -> None:
    """The lab's certificates are not valid yet."""
    clock.shift(-2 * DAY)
    process = start(topology, clock, tmp_path / "out", "-k", "pod-n1 and web-np")
    told, _ = process.communicate(timeout=120)

    assert process.returncode == 6, told
    assert "certificate is not yet valid" in told
    assert "This host's clock is at" in told
    assert "Traceback" not in told
