"""The newest Kubernetes that the project tests, in nftables mode, built from Go modules: every cell as predicted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result
from reports.records import journal
from tests.lab.support import prebuilt
from tests.lab.support.lab_names import hold_lab_name
from tests.truth.rows import FLANNEL, NEWEST, NFTABLES, Row
from tests.unit.support.paths import ROOT
from topologies.lab.build import binaries
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.prebuilt,
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root"),
]
ROW = Row(NEWEST, NFTABLES, FLANNEL)


def buildable() -> bool:
    """Return whether the programs are in the cache, or a Go is there to build them."""
    kept = binaries.place(Version.parse(NEWEST), binaries.cache_dir())
    return all((kept / name).exists() for name in binaries.RELEASED) or shutil.which("go") is not None


@pytest.mark.skipif(not buildable(), reason=f"no Go to build Kubernetes {NEWEST}, and it is not in the cache")
def test_nftables_on_the_newest_is_as_predicted(tmp_path: Path) -> None:
    prebuilt.make_newest(prebuilt.print_progress)  # the pods' image is 1.20.2's
    given = [f"--with={one}" for one in ROW.overrides]
    ask = [sys.executable, "-m", "pytest", "-q", f"--topology={ROW.topology}", *given, f"--out={tmp_path}"]
    with hold_lab_name(ROW.topology):
        try:
            ended = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
        finally:
            down = [sys.executable, "-m", "hairpin", "lab", "down", f"--topology={ROW.topology}"]
            subprocess.run(down, cwd=ROOT, check=True)

    run = journal.load(tmp_path / "last")
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert {record.verdict for record in run.records} == {Result.PASS}
    assert len(run.records) == len(run.plan)
