"""Which runs collect scenarios, and what they answer without a cluster. Each is a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.scenarios.catalogue import scenarios
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
EVERY = len(scenarios())


def run(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = ["--topology=lab-small", f"--out={out}", "-q", "-n", "0", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *given, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 0),
        (("--scenarios",), EVERY),
        (("suites/scenarios/test_scenarios.py",), EVERY),
        (("suites/contract", "--scenarios"), 0),
    ],
)
def test_scenarios_are_collected_only_if_they_are_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], count: int
) -> None:
    done = run(tmp_path, "--collect-only", *arguments)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("suites/scenarios/") == count


def test_the_path_alone_collects_no_cell(tmp_path: Path) -> None:
    done = run(tmp_path, "--collect-only", "suites/scenarios")

    assert f"{EVERY} tests collected" in done.stdout


def test_a_simulated_run_skips_them_and_gives_the_reason(tmp_path: Path) -> None:
    done = run(tmp_path, "--simulate", "suites/scenarios")

    assert done.returncode == 0
    assert f"{EVERY} skipped" in done.stdout
    assert "scenarios change a live cluster, and a simulated one has no API" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "nan"])
def test_a_bad_time_limit_is_one_line(tmp_path: Path, value: str) -> None:
    done = run(tmp_path, "--collect-only", "suites/scenarios", f"--scenario-timeout={value}")

    assert done.returncode == 4
    assert f"--scenario-timeout: got '{value}', want seconds greater than 0" in done.stderr.replace('"', "'")
    assert "Traceback" not in done.stderr


def test_one_that_cannot_reach_its_cluster_ends_with_one_line(tmp_path: Path) -> None:
    done = run(tmp_path / "out", "suites/scenarios", f"--kubeconfig={tmp_path / 'none'}", "-k", "evicted or readiness")

    assert done.returncode == 6
    assert "the scenarios could not be run: " in done.stdout
    assert "no such file, want a file" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
