"""An interruption at an instruction without a line of source ends a run like any other interruption."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.lifecycle.shutdown import drop_lines_unknown
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
def without_lines():
    raise KeyboardInterrupt("SIGINT")

without_lines.__code__ = without_lines.__code__.replace(co_linetable=b"")

def test_it():
    without_lines()
"""


def without_lines() -> None:
    raise KeyboardInterrupt


without_lines.__code__ = without_lines.__code__.replace(co_linetable=b"")


def test_pytest_prints_a_traceback_with_an_unknown_line() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        without_lines()
    with pytest.raises(TypeError):
        caught.getrepr()

    drop_lines_unknown(caught)

    assert "KeyboardInterrupt" in str(caught.getrepr())
    assert [entry.frame.code.name for entry in caught.traceback] == [
        "test_pytest_prints_a_traceback_with_an_unknown_line"
    ]


def test_a_run_with_such_an_interruption_ends_as_interrupted(tmp_path: Path) -> None:
    suite = tmp_path / "test_it.py"
    suite.write_text(SUITE, encoding="utf-8")

    ours = ["-c", "pyproject.toml", "--rootdir=.", "-p", "conftest"]  # the suite is beside the project
    options = ["--topology=lab-small", "--simulate", f"--out={tmp_path}"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *ours, *options, str(suite)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
