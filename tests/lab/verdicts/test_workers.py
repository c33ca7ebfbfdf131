"""On one lab, `-n 0`, `-n 2` and `-n 4` give the same verdict for every cell, and none is asked twice."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.records.journal import load
from tests.lab.support.broken import small
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")


def run(topology: Path, out: Path, workers: int) -> Run:
    command = [sys.executable, "-m", "pytest", f"--topology={topology}", f"--out={out}", "-q", f"-n{workers}"]
    command += ["--connect-timeout=4"]  # a busy machine is no silent Service
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (out / "last").exists(), done.stdout + done.stderr
    return load(out / "last")


def test_the_verdicts_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    with small("test-workers", tmp_path) as topology:
        runs = {workers: run(topology, tmp_path / str(workers), workers) for workers in (0, 2, 4)}

    verdicts = {workers: {one.cell.id: one.verdict for one in run.records} for workers, run in runs.items()}
    assert all(run.complete for run in runs.values())
    assert verdicts[0] == verdicts[2] == verdicts[4]
    assert set(verdicts[0]) == set(runs[0].plan)
    print({workers: (len(told), sorted(set(told.values()))) for workers, told in verdicts.items()})
