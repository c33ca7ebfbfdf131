"""Asking a real cluster whose kernels limit their ICMP errors as every kernel does: refusals are told as refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from probes.contract.judging import ContractResult
from probes.observation import BURST
from probes.scenarios.results import read_results
from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import run
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-asking"
LIBRARY = ROOT / "topologies" / "library"
NODES = ("n1", "n2")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """lab-small under a name of its own, so that nobody else's lab is asked; taken down afterwards."""
    path = tmp_path_factory.mktemp("asking") / f"{NAME}.yaml"
    path.write_text((LIBRARY / "lab-small.yaml").read_text().replace("name: lab-small", f"name: {NAME}"))
    lab.up(load(str(path)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    yield path
    lab.down(NAME)


@pytest.fixture(scope="module")
def told(topology: Path) -> dict[str, Any]:
    """The `run.json` of one whole run."""
    out = topology.parent / "out"
    command = [sys.executable, "-m", "pytest", "-q", f"--topology={topology}", f"--out={out}", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found: dict[str, Any] = json.loads((out / "last" / "run.json").read_text())
    print(found["timings"], done.stdout[-300:])
    return found


def on(node: str, *argv: str) -> str:
    return run(Sandbox.find(NAME).enter_command(node, argv), timeout=30)


def refused_cells(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Records in which, by the rules, a node refuses by ICMP."""
    return [record for record in told["records"] if any(path["by_icmp"] for path in record["expected"]["paths"])]


def test_the_limit_is_the_kernels_own(topology: Path) -> None:
    assert topology.exists()
    assert {on(node, "cat", "/proc/sys/net/ipv4/icmp_ratelimit").strip() for node in NODES} == {"1000"}


def test_every_refusal_is_told_as_one(told: dict[str, Any]) -> None:
    cells = refused_cells(told)
    by_client = Counter(record["cell"]["vantage"] for record in cells if record["cell"]["vantage_kind"] == "pod")

    assert max(by_client.values()) >= BURST
    assert {tuple(record["observed"]["outcomes"]) for record in cells} == {("refused",)}


def test_nothing_is_inconclusive(told: dict[str, Any]) -> None:
    verdicts = Counter(record["verdict"] for record in told["records"])

    assert told["complete"]
    assert verdicts == {"pass": len(told["records"])}


def test_what_was_left_out_is_told_with_its_reason(told: dict[str, Any]) -> None:
    omitted = {one["cell"]: one["reason"] for one in told["omissions"]}

    assert "a kernel sends a pod 6 refusals" in omitted["pod-n1-to-none-lb.nodeport.n1-cni0-v4-tcp"]


def test_promises_hold_after_changes_on_a_lab(topology: Path) -> None:
    out, some = topology.parent / "scenarios", "scaled-to-zero or affinity-switched or service-deleted"
    given = [f"--topology={topology}", f"--out={out}", "-p", "no:cacheprovider", "suites/scenarios", "-k", some]
    command = [sys.executable, "-m", "pytest", "-q", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    [folder] = out.glob("2*")
    results = read_results(folder)

    assert done.returncode == 0, done.stdout[-3000:]
    assert {one.id for one in results} == {"scaled-to-zero", "affinity-switched", "service-deleted"}
    checks = [check for result in results for check in result.checks]
    assert {one.result for one in checks} == {ContractResult.KEPT}
    assert {one.node for one in checks} == {"n1", "n2"}
    assert all(one.converged_s is not None and (one.not_before_s or 0.0) <= one.converged_s for one in checks)
    namespaces = api(NAME, "GET", "/api/v1/namespaces")["items"]
    assert not [one for one in namespaces if one["metadata"]["name"].startswith("hairpin-") and "Active" in str(one)]  # type: ignore[attr-defined]
