"""A whole run of `suites/scenarios`: terminal, `run.json`, JUnit, page and exit; with a broken file, and killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.scenarios.results import FILE_NAME, write_results
from reports.records.journal import load
from tests.unit.support.paths import ROOT
from tests.unit.support.scenario_runs import affinity, kept
from topologies.common.waiting import Deadline, until

if TYPE_CHECKING:
    from pathlib import Path

LAB = ["-p", "tests.unit.support.scenario_engine", "-q", "--topology=lab-small", "suites/scenarios"]
ASKED = [*LAB, "--kubeconfig=unused"]  # so that no lab is brought up: nothing connects
CHOSEN = ["-k", "affinity-switched or readiness"]


def run_with(folder: Path, content: bytes, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run scenarios whose results have this content."""
    (folder / "given.json").write_bytes(content)
    command = [sys.executable, "-m", "pytest", *ASKED, *CHOSEN, f"--out={folder / 'out'}", *more]
    given = {**os.environ, "HAIRPIN_TEST_SCENARIOS": str(folder / "given.json"), "COLUMNS": "80", **environment}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    write_results(tmp_path, [kept("readiness"), replace(affinity(), id="affinity-switched")])
    return (tmp_path / FILE_NAME).read_bytes()


@pytest.mark.slow
def test_a_run_of_scenarios_only_reports_them(tmp_path: Path, content: bytes) -> None:
    done = run_with(tmp_path, content, f"--junitxml={tmp_path / 'junit.xml'}")
    run, lines = load(tmp_path / "out" / "last"), done.stdout.splitlines()

    titles = {line.strip("= "): number for number, line in enumerate(lines) if line.startswith("===")}
    section = lines[titles["scenarios"] + 1 : titles["hairpin"]]
    assert section[:2] == [
        "✓ readiness: kept in 10 checks",
        "    changed  within 0.5 s: n1 0.2-0.5, n2 0.2-0.5",
    ]
    assert max(map(len, section)) <= 80
    assert done.returncode == 1
    assert lines[-1].startswith("FAIL: 1 of 2 scenarios: affinity-switched")
    assert "API contract: 98 rows: 5 kept, 1 broken promise, 92 not asked" in done.stdout
    assert "Traceback" not in done.stdout
    assert "scenario_result(scenario)" not in done.stdout, "the source of the test says nothing"
    assert (run.complete, run.records, len(run.scenarios)) == (True, (), 2)
    assert (run.versions["kubernetes"], run.nodes["n1"].kube_proxy) == ("1.34.4", "1.30.14")
    assert (run.notes, run.timings.settle) == (("an odd cluster",), 1.5)
    page = (tmp_path / "out" / "last" / "report.html").read_text(encoding="utf-8")
    assert 'id="scenarios"' in page
    junit = (tmp_path / "junit.xml").read_text(encoding="utf-8")
    assert re.findall(r'name="(converged_s \S+ n2)" value="(\S+)"', junit) == [
        ("converged_s (changed) n2", "0.500"),
        ("converged_s (on) n2", "0.040"),
        ("converged_s (off) n2", "never"),
    ]
    assert 'name="verdict" value="FAIL: 1 of 2 scenarios: affinity-switched"' in junit


@pytest.mark.slow
def test_a_broken_file_is_a_note_of_a_run_that_keeps_its_cells(tmp_path: Path) -> None:
    cells = ["--simulate", "-q", "-k", "pod-n1-to-web.clusterip"]
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "pytest", "-p", "tests.unit.support.scenario_torn", "--topology=lab-small"]
    done = subprocess.run([*command, f"--out={folder}", *cells], cwd=ROOT, capture_output=True, text=True, check=False)
    run = load(folder / "last")

    assert done.returncode == 0, done.stdout
    assert [note for note in run.notes if FILE_NAME in note] == [
        "scenarios.json: 0 scenarios were read, 1 dropped: the file is torn"
    ]
    assert "Traceback" not in done.stdout + done.stderr
    assert len(run.records) == 1
    assert done.stdout.splitlines()[-1].startswith("PASS: 1 of 1 cell")


@pytest.mark.slow
def test_a_killed_run_of_scenarios_only_is_recovered(tmp_path: Path, content: bytes) -> None:
    done = run_with(tmp_path, content, HAIRPIN_TEST_KILL="yes")
    assert done.returncode < 0, done.stdout

    def missing() -> str:
        return "" if len(load(tmp_path / "out" / "last").scenarios) == 2 else "no scenarios"

    until(missing, Deadline(60), "a run.json with scenarios")
    run = load(tmp_path / "out" / "last")
    assert (run.complete, run.versions["kubernetes"]) == (False, "1.34.4")
