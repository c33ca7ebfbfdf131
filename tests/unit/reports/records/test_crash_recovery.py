"""A run that is killed while it asks leaves a readable `run.json` of all observations until then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result
from reports.records.journal import load, recover
from tests.unit.support.paths import ROOT
from topologies.common.waiting import Deadline, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.records.run import Run

ASKING = ["-p", "tests.unit.support.simulated_run", "-q", "--topology=lab-small"]
STARTS_S = 180  # on a machine with a hundred processes that are ready to run


@contextmanager
def asked(tmp_path: Path, *more: str) -> Iterator[int]:
    """Start a run that observed half of its cells and waits for the rest; give their number. Kill it at the end."""
    observed = tmp_path / "observed"
    command = [sys.executable, "-m", "pytest", *ASKING, f"--out={tmp_path}", f"--kubeconfig={observed}", *more]
    with (tmp_path / "output").open("wb") as output:
        run = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        until(
            lambda: "" if observed.exists() or run.poll() is not None else "nothing observed",
            Deadline(STARTS_S),
            "half of the run",
        )
        assert run.poll() is None, (tmp_path / "output").read_text()
        yield int(observed.read_text().split()[1])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def recovered(tmp_path: Path, count: int) -> Run:
    """Return the run as the recovering process wrote it."""

    def missing() -> str:
        got = len(load(tmp_path / "last").records)
        return "" if got == count else f"{got} records"

    until(missing, Deadline(60), f"a run.json with {count} records")
    return load(tmp_path / "last")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_what_was_heard_is_judged_and_saved_after_a_kill(tmp_path: Path, workers: list[str]) -> None:
    with asked(tmp_path, *workers) as count:
        pass

    left = recovered(tmp_path, count)

    assert {record.verdict for record in left.records} == {Result.PASS}
    assert len(left.unasked) == len(left.plan) - count > 0
    assert (left.complete, left.finished, left.notes) == (False, None, ("odd",))
    assert (left.timings.settle, left.timings.ask) == (1.5, None)
    assert left.versions["kubernetes"] == "v1.20.2"


@pytest.mark.slow
def test_it_is_readable_from_the_beginning_and_recovered_again_from_its_journal(tmp_path: Path) -> None:
    """Its journal is enough, without the recovering process."""
    with asked(tmp_path) as count:
        begun = load(tmp_path / "last")
        again = recover(tmp_path / "last")

    assert (begun.complete, begun.records) == (False, ())
    assert len(begun.plan) > count
    assert len(again.records) == count
    assert recovered(tmp_path, count) == again
