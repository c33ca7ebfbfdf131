"""All scenarios on the newest Kubernetes.

HAIRPIN_SLOW=1 runs these. tests/lab/verdicts/test_asking.py runs some scenarios on a lab that is up anyway.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import ContractResult
from probes.scenarios.catalogue import scenarios
from probes.scenarios.results import read_results
from tests.lab.support.lab_names import hold_lab_name
from tests.lab.support.settings import SLOW
from tests.truth.rows import FLANNEL, NEWEST, NFTABLES, Row
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.prebuilt,
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root"),
    pytest.mark.skipif(SLOW not in os.environ, reason="HAIRPIN_SLOW=1: 3 minutes"),
]
ROW = Row(NEWEST, NFTABLES, FLANNEL)


def test_every_promise_holds_after_each_change_on_the_newest(tmp_path: Path) -> None:
    given = [f"--with={one}" for one in ROW.overrides]
    ask = [sys.executable, "-m", "pytest", "-q", f"--topology={ROW.topology}", *given, f"--out={tmp_path}"]
    with hold_lab_name(ROW.topology):
        try:
            ended = subprocess.run([*ask, "suites/scenarios"], cwd=ROOT, capture_output=True, text=True, check=False)
        finally:
            down = [sys.executable, "-m", "hairpin", "lab", "down", f"--topology={ROW.topology}"]
            subprocess.run(down, cwd=ROOT, check=True)

    [folder] = tmp_path.glob("2*")
    results = read_results(folder)
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert {one.id for one in results} == {one.id for one in scenarios()}
    assert {one.id: one.skipped for one in results if one.skipped} == {"same-zone": "the cluster lacks zones"}
    assert not [one.id for one in results if one.trouble]
    checks = [check for result in results for check in result.checks]
    assert {one.result for one in checks} == {ContractResult.KEPT, ContractResult.FREE}
    assert {one.frontend for one in checks if one.result is ContractResult.FREE} == {"s-headless.clusterip"}
