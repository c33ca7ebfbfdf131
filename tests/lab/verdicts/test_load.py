"""A large matrix on a healthy lab: our own load makes no cell red, and hides no real fault.

HAIRPIN_SLOW=1 asks 100 Services (about 4,000 cells, 28,000 connections) three times instead of 40 Services once, and
then once more with a real fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench.scale import enlarged
from tests.lab.support.settings import PROGRAMS
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import run
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
SLOW = bool(os.environ.get("HAIRPIN_SLOW"))
SERVICES, RUNS = (100, 3) if SLOW else (40, 1)
DROP = ("FORWARD", "-p", "tcp", "--dport", "8080", "-j", "DROP")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A large lab-flannel under a name of its own; taken down afterwards."""
    raw = enlarged(load("lab-flannel"), SERVICES) | {"name": "test-load"}
    path = tmp_path_factory.mktemp("load") / "test-load.yaml"
    path.write_text(yaml.safe_dump(raw))
    lab.up(load(str(path)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    yield path
    lab.down("test-load")


def asked(topology: Path) -> list[dict[str, Any]]:
    """The records of one whole run."""
    out = topology.parent / "out"
    options = [f"--topology={topology}", f"--out={out}", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=900, check=False)
    told: dict[str, Any] = json.loads((out / "last" / "run.json").read_text())
    records: list[dict[str, Any]] = told["records"]
    again = sum(any(attempt.get("loaded") for attempt in one["observed"]["attempts"]) for one in records)
    print(told["timings"], Counter(one["verdict"] for one in records), f"{again} asked again")
    return records


def test_a_large_matrix_makes_no_cell_red(topology: Path) -> None:
    for _ in range(RUNS):
        records = asked(topology)

        assert len(records) > 35 * SERVICES
        assert [one["cell"]["id"] for one in records if one["verdict"] == "fail"] == []
        unsure = {one["headline"] for one in records if one["verdict"] == "inconclusive"}
        assert all("answers are slow even" in reason or "net.ipv4.icmp_ratelimit" in reason for reason in unsure)


@pytest.mark.skipif(not SLOW, reason="HAIRPIN_SLOW=1: a real fault in a matrix of 100 Services")
def test_a_real_fault_is_red_however_large_the_matrix(topology: Path) -> None:
    n2 = Sandbox.find("test-load")
    run(n2.enter_command("n2", ["iptables", "-I", *DROP]), timeout=30)
    try:
        records = asked(topology)
    finally:
        run(n2.enter_command("n2", ["iptables", "-D", *DROP]), timeout=30)

    inside = [one for one in records if one["cell"]["vantage_kind"] != "external"]
    dropped = {one["verdict"] for one in inside if one["cell"]["frontend"] == "endpoint.web-b"}
    assert dropped == {"fail"}
    assert Counter(one["verdict"] for one in records)["fail"] > 1000
