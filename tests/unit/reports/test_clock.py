"""The wall clock is set back while a run lasts: the run has a length all the same."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from reports.records.journal import load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SET_BACK = """
import sys
from datetime import datetime, timedelta
from itertools import count

import pytest

from reports import plugin

class SetBack(datetime):
    readings = count()

    @classmethod
    def now(cls, tz):
        return datetime.now(tz) - timedelta(hours=next(cls.readings))

plugin.datetime = SetBack
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_a_run_ends_after_it_began(tmp_path: Path) -> None:
    few = ["--topology=lab-small", "--simulate", "-q", "-k", "pod-n1 and web-np", f"--out={tmp_path}", "suites"]
    command = [sys.executable, "-c", SET_BACK, *few]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    run = load(tmp_path / "last")

    assert done.returncode == 0, done.stdout + done.stderr
    assert run.finished is not None
    assert timedelta(0) < run.finished - run.started < timedelta(minutes=1)
