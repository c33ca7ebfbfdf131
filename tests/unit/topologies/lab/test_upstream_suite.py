"""Processes of upstream's tests, with a program in place of `e2e.test`: groups, results that stay, a second run."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from topologies.lab import upstream_e2e
from topologies.lab.sandbox import Sandbox
from topologies.lab.state import State
from topologies.lab.upstream_tests import suite as suites
from topologies.lab.upstream_tests.suite import Suite
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LONGER = "[sig-network] Services should serve [Conformance] and more"
SERVES = "[sig-network] Services should serve [Conformance]"
ENDS = "[sig-network] Services should end the process"
SERIAL = "[sig-network] Services should restart [Serial]"
NAMES = [SERVES, LONGER, ENDS, SERIAL]
PROGRAM = f"""#!{sys.executable}
import re, sys
flags = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
chosen = [name for name in {NAMES!r} if re.search(flags["ginkgo.focus"], "Kubernetes e2e suite " + name)]
print("\\n".join(chosen))
if any("end the process" in name for name in chosen):
    sys.exit(3)
cases = "".join(f'<testcase name="[It] {{name}}" status="passed" />' for name in chosen)
with open("junit_01.xml", "x") as report:
    report.write(f"<testsuites><testsuite>{{cases}}</testsuite></testsuites>")
"""


class OwnHost(Sandbox):
    """A sandbox without namespaces and cgroups."""

    def enter_command(self, host: str, argv: Sequence[str]) -> list[str]:
        return [*argv] if host == "cp" else []

    def command_groups(self) -> list[Path]:
        return []

    def environment(self) -> dict[str, str]:
        return dict(os.environ)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return OwnHost("own", State(tmp_path / "state"))


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setattr(suites, "GROUP", 1)
    (tmp_path / "out").mkdir()
    program = tmp_path / "e2e.test"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return Suite(Version(1, 37, 2), tmp_path, tmp_path / "out")


def test_each_test_runs_in_one_process_and_its_report_is_read(suite: Suite, sandbox: Sandbox) -> None:
    suite.run(sandbox, [SERVES, LONGER, SERIAL])

    assert sorted(case.name for case in suite.results() if case.passed) == sorted([SERVES, LONGER, SERIAL])
    outputs = {path.parent.name: path.read_text().split("\n")[:-1] for path in suite.folder.glob("*/output")}
    assert outputs["002"] == [SERIAL]
    assert sorted(outputs.values()) == sorted([[SERVES], [LONGER], [SERIAL]])


def test_a_process_that_ends_early_leaves_its_output_and_fails_only_its_tests(suite: Suite, sandbox: Sandbox) -> None:
    suite.run(sandbox, NAMES)
    (suite.folder / "seconds").write_text("60\n")

    failed = [case for case in upstream_e2e.summarize(suite, NAMES, {}).results if case.failure]
    assert [(case.name, case.failure) for case in failed] == [(ENDS, f"no result: see {suite.folder}")]
    assert ENDS in "".join(path.read_text() for path in suite.folder.glob("*/output"))


def test_a_second_run_runs_only_what_has_no_result(
    suite: Suite, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def running_lab(*_: object) -> Iterator[Sandbox]:
        yield sandbox

    monkeypatch.setattr(upstream_e2e, "running_lab", running_lab)
    monkeypatch.setattr(upstream_e2e, "label_zones", lambda *_: None)
    monkeypatch.setattr(upstream_e2e, "run", lambda *_: "")
    monkeypatch.setattr(Suite, "serve_internet", lambda *_: None)
    suite.run(sandbox, [SERVES])

    upstream_e2e.run_tests(suite, [SERVES, LONGER])
    upstream_e2e.run_tests(suite, [SERVES, LONGER])

    assert sorted(path.name for path in suite.folder.iterdir()) == ["000", "001", "seconds"]
    assert (suite.folder / "001" / "output").read_text() == f"{LONGER}\n"
    assert len((suite.folder / "seconds").read_text().split()) == 1
