"""A lab whose Services are served by our own data plane (tests/lab/data_plane), judged by the contract.

HAIRPIN_SLOW=1 also asks lab-contract on its version, without a violation and with each of them, on one lab. The other
test runs on the version that is always built.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from probes.contract.judging import ContractResult
from probes.contract.sources import Level
from reports.records.journal import load
from tests.lab.data_plane.violations import VIOLATIONS
from tests.lab.support.planted import plant
from tests.lab.support.settings import PROGRAMS, SLOW
from tests.unit.support.paths import ROOT
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import LIBRARY
from topologies.loading.load import load as load_topology

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.records.run import Run

NAME = "test-data-plane"
BROKEN, UNUSUAL, KEPT = ContractResult.BROKEN, ContractResult.UNUSUAL, ContractResult.KEPT
SERVED_BY_US = {
    "proxy": {"kind": "other"},
    "lab": {"data_plane": [sys.executable, "-m", "tests.lab.data_plane"]},
}
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
slow = pytest.mark.skipif(SLOW not in os.environ, reason="HAIRPIN_SLOW=1: a lab with the newest Kubernetes, 7 minutes")


@contextmanager
def served_by_us(folder: Path, topology: str, programs: Path | None = None) -> Iterator[Path]:
    """Return the file of a lab that our data plane serves. The lab is up meanwhile."""
    contents = yaml.safe_load((LIBRARY / f"{topology}.yaml").read_text())
    file = folder / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump({**contents, "name": NAME, **SERVED_BY_US}))
    try:
        lab.up(load_topology(str(file)), kubernetes_bin=programs, progress=lambda _: None)
        yield file
    finally:
        lab.down(NAME)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of lab-contract, served by our data plane."""
    with served_by_us(tmp_path_factory.mktemp("whole"), "lab-contract") as file:
        yield file


def ask(file: Path, out: Path, violation: str = "") -> Run:
    """Return the run of the contract's rows, after this violation was planted."""
    plant(Sandbox.find(NAME), violation)
    argv = [sys.executable, "-m", "pytest", "suites/contract", f"--topology={file}", f"--out={out}"]
    ended = subprocess.run([*argv, "-q"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == int(bool(violation)), ended.stdout[-4000:] + ended.stderr[-2000:]
    return load(out / "last")


def rows_of(run: Run, result: ContractResult) -> set[int]:
    """Return the numbers of the rows with a result."""
    return {row.number for row in run.contract if row.result is result}


def test_each_row_that_a_violation_breaks_is_named_and_no_other(tmp_path: Path) -> None:
    with served_by_us(tmp_path, "lab-flannel", PROGRAMS) as file:
        run = ask(file, tmp_path, "masquerade-local")

    assert rows_of(run, BROKEN) == {28}
    assert rows_of(run, UNUSUAL) == {31, 79}  # row 71 is newer than this lab's Kubernetes
    assert len(rows_of(run, KEPT)) > 20


@slow
def test_a_data_plane_that_keeps_every_promise_breaks_none(whole: Path, tmp_path: Path) -> None:
    run = ask(whole, tmp_path)

    assert (rows_of(run, BROKEN), rows_of(run, UNUSUAL)) == (set(), set())
    musts = {row.number for row in run.contract if row.level is Level.MUST and row.result is KEPT}
    assert {one for violation in VIOLATIONS.values() for one in violation.must} <= musts


@slow
@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_named_by_its_rows(name: str, whole: Path, tmp_path: Path) -> None:
    run = ask(whole, tmp_path, name)

    assert rows_of(run, BROKEN) == set(VIOLATIONS[name].must)
    assert rows_of(run, UNUSUAL) == set(VIOLATIONS[name].should)
