"""A lab that hangs on a process: a state directory of nothing but its record stands for the lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.support.paths import ROOT
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import teardown_on_exit
from topologies.lab.state import State, write

pytestmark = pytest.mark.slow

HOLDER = """
import os, sys
from topologies.lab import teardown_on_exit
teardown_on_exit.tie("x", float(sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])
"""
HOLDS = """
import time
from topologies.lab import teardown_on_exit
print(teardown_on_exit.take_descriptor(), teardown_on_exit.take_descriptor(), flush=True)
time.sleep(60)
"""
CUTS = "from topologies.lab import teardown_on_exit; teardown_on_exit.end_lab(teardown_on_exit.take_descriptor(), 'x')"


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A lab that is up, according to its files."""
    made = State(tmp_path / "labs" / "x")
    made.root.mkdir(parents=True)
    write(made.record, {"name": "x", "began": 7.25, "cgroups": []})
    made.ready.touch()
    return made


def holder(state: State, began: float, *argv: str) -> subprocess.Popen[str]:
    """A process that ties the lab to itself and then becomes `argv`."""
    env = {**os.environ, "HAIRPIN_CACHE": str(state.root.parents[1]), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDER, repr(began), *argv]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_lab_ends_with_what_its_holder_became(state: State, number: signal.Signals) -> None:
    child = holder(state, 7.25, sys.executable, "-c", HOLDS)
    assert child.stdout
    told = child.stdout.readline().split()
    assert (told[0].isdigit(), told[1]) == (True, "None")
    assert state.ready.exists()

    child.send_signal(number)
    child.wait()
    child.stdout.close()
    until(unmet(lambda: not state.root.exists()), Deadline(20), "the end of the lab")


def test_cutting_it_waits_until_the_lab_is_gone(state: State) -> None:
    child = holder(state, 7.25, sys.executable, "-c", CUTS)
    child.communicate()

    assert child.returncode == 0
    assert not state.root.exists()


def test_a_later_lab_of_the_same_name_stays(state: State) -> None:
    child = holder(state, 3.5, "true")
    child.communicate()
    write(state.record, {"name": "x", "began": 7.25, "cgroups": []})
    waiting = f"topologies.lab.teardown_on_exit x {3.5!r}".replace(" ", "\0").encode()
    lines = [path / "cmdline" for path in Path("/proc").glob("[0-9]*")]

    def over() -> bool:
        return not any(path.exists() and waiting in _read(path) for path in lines)

    until(unmet(over), Deadline(20), "the end of the waiting process")
    assert state.ready.exists()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_who_was_given_none_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(teardown_on_exit.DESCRIPTOR, raising=False)

    assert teardown_on_exit.take_descriptor() is None
