"""Any number of xdist workers gives the same run: every cell probed once, with the same verdict and one record."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.records.journal import load
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run


def run(out: Path, workers: int) -> Run:
    """One simulated run, with a rule flipped so that some cells fail."""
    command = [sys.executable, "-m", "pytest", "suites/test_nodeport.py", "--topology=lab-small", "--simulate", "-q"]
    command += ["--mutate=R4.4", "-k", "ext-e1", f"-n{workers}", f"--out={out}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return load(out / "last")


@pytest.mark.slow
def test_none_two_and_four_workers_give_the_same_run(tmp_path: Path) -> None:
    alone, *others = (run(tmp_path / str(workers), workers) for workers in (0, 2, 4))

    assert {record.verdict for record in alone.records} == {"pass", "fail"}
    for other in others:
        assert other.complete
        assert [(one.cell, one.verdict, one.facets) for one in other.records] == [
            (one.cell, one.verdict, one.facets) for one in alone.records
        ]
