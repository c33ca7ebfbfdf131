"""From a kubeconfig to verdicts on labs whose declaration is hidden: no wrong fact, no false red, nothing unclear.

`hairpin check` gets a kubeconfig with a Role in one namespace, that namespace and an image name, nothing else.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.lab.support.found_facts import compare
from tests.lab.support.settings import SLOW
from tests.lab.support.somebodys import check, read_run, somebodys

if TYPE_CHECKING:
    from pathlib import Path

FEW = ("lab-eni", "lab-metallb-l2")
MORE = ("lab-calico-vxlan", "lab-flannel", "lab-routed", "lab-tunnel", "lab-vpc", "lab-cards")
LABS = (*FEW, *MORE) if SLOW in os.environ else FEW


@pytest.mark.parametrize("name", LABS)
def test_a_hidden_lab_is_discovered_and_passes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with somebodys(name, tmp_path) as cluster:
        began = time.monotonic()
        done = check(cluster, out)
        seconds = time.monotonic() - began
    [file] = out.glob("discovered-*.yaml")
    found, run = compare(cluster.declared, file), read_run(out)

    verdicts = Counter(record["verdict"] for record in run["records"])
    figures = (
        f"{len(found.equal)} equal, {len(found.unknown)} unknown, {len(found.wrong)} wrong; cells: {dict(verdicts)}"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: 1 command, {seconds:.0f} s; facts: {figures}\n")
        sys.stdout.write(f"  unknown: {', '.join(sorted(found.unknown))}\n")
    assert found.wrong == []
    assert set(verdicts) == {"pass"}, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.returncode == 0
