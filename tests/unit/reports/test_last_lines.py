"""pytest's own lines never scroll the verdict away, and JUnit and Allure keep every failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from reports.records.journal import load
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FEW = "(pod-n1 or pod-n3) and host-np"  # 48 cells; those from n1 fail
SCREEN = 42  # lines


def ended(out: Path, *options: str, broken: str = "cni-masquerade", **environment: str) -> list[str]:
    """Run a few cells of a simulated cluster with one fault; return the lines of the output."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.unit.support.broken_cluster", "--topology=lab-flannel"]
    command += ["--simulate", "-k", FEW, f"--out={out}", *options, "suites"]
    settings = {**os.environ, "COLUMNS": "80", "HAIRPIN_BROKEN": broken, **environment}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [("-q",), ("-n2",), ("-v",)])
def test_the_verdict_is_below_pytests_own_lines(tmp_path: Path, options: tuple[str, ...]) -> None:
    lines = ended(tmp_path, *options)

    own = max(number for number, line in enumerate(lines) if re.search(r" failed, .* in [\d.]+s", line))
    verdict = next(number for number, line in enumerate(lines) if line.startswith("FAIL: "))
    assert own < verdict
    assert re.match(r"\d+ cells: \d+ fail, \d+ pass  \(", lines[-1])
    assert options == ("-v",) or len(lines) - own <= SCREEN
    lists = any(line.startswith("FAILED ") for line in lines)
    assert lists is (options == ("-v",))


def test_a_run_that_passed_ends_with_its_verdict_below_the_matrix(tmp_path: Path) -> None:
    lines = ended(tmp_path, "-q", broken="none")

    assert re.match(r"PASS: (\d+) of \1 cells  \(", lines[-1])
    assert any("✓ ok primary(n1)" in line for line in lines)


def test_very_quiet_is_one_line_of_ours(tmp_path: Path) -> None:
    lines = ended(tmp_path, "-qq")

    assert lines[-1].startswith("FAIL: ")
    assert not any(line.startswith(("note: ", "✗")) for line in lines)


def test_a_log_that_is_ascii_gets_other_signs(tmp_path: Path) -> None:
    lines = ended(tmp_path, "-q", PYTHONIOENCODING="ascii")

    assert any(re.match(r"x 1\. \d+ cells", line) for line in lines)
    assert not any("\\u" in line for line in lines)


def test_junit_keeps_every_failure_and_both_formats_begin_with_the_verdict(tmp_path: Path) -> None:
    ended(tmp_path, "-q", "-n2", f"--junitxml={tmp_path / 'junit.xml'}", f"--alluredir={tmp_path / 'allure'}")
    suite = next(ET.parse(tmp_path / "junit.xml").getroot().iter("testsuite"))  # noqa: S314 - our own file
    (name, verdict), (second, _), *_ = (
        (one.get("name"), one.get("value") or "") for one in suite.iterfind("properties/property")
    )
    failed = {
        one.get("value")
        for case in suite.iterfind("testcase[failure]")
        for one in case.iterfind("properties/property[@name='cell']")
    }
    overview = ET.parse(tmp_path / "allure" / "environment.xml").getroot()  # noqa: S314 - likewise

    assert (name, second) == ("verdict", "explanation")
    assert verdict.startswith("FAIL: ")
    assert failed == {record.cell.id for record in load(tmp_path / "last").records if record.verdict == "fail"}
    assert (overview[0].findtext("key"), overview[0].findtext("value")) == ("verdict", verdict)
