"""A run in which a declared backend was never Ready is no success, whatever the verdicts of its chosen cells are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from probes.plugin import ANSWERS, RUN, missing_backends, pytest_sessionfinish
from probes.session import Answers
from topologies.cluster_state.shortfalls import residents
from topologies.cluster_state.snapshot import PodStatus, declared
from topologies.loading.load import load
from topologies.plugin import TOPOLOGY

if TYPE_CHECKING:
    from pathlib import Path

SMALL = load("lab-small")
STATUSES = {name: PodStatus(uid=name, node=node) for _, name, node in residents(SMALL)}


@pytest.mark.parametrize(
    ("lost", "ended", "code"),
    [
        (None, pytest.ExitCode.OK, pytest.ExitCode.OK),
        ("pod-n2", pytest.ExitCode.OK, pytest.ExitCode.OK),  # a vantage: its own cells are inconclusive and fail
        ("host-a", pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        ("host-a", pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_of_a_run(
    lost: str | None, ended: pytest.ExitCode, code: pytest.ExitCode, tmp_path: Path
) -> None:
    unready = {lost: replace(STATUSES[lost], not_ready="CrashLoopBackOff")} if lost else {}
    snapshot = replace(declared(SMALL), statuses={**STATUSES, **unready})
    Answers(snapshot, {}, {}, {}).write(tmp_path / ANSWERS)
    config = SimpleNamespace(stash={RUN: tmp_path, TOPOLOGY: SMALL})
    session = SimpleNamespace(config=config, exitstatus=ended)

    pytest_sessionfinish(cast("pytest.Session", session), ended)

    assert session.exitstatus == code
    reasons = ("declared backend host-a is not Ready: CrashLoopBackOff",) if lost == "host-a" else ()
    assert missing_backends(cast("pytest.Config", config)) == reasons
