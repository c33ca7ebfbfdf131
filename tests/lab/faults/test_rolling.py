"""The instrument of `hairpin rolling` on a real lab: a restart breaks no rule, a cleanup breaks and is seen, per node.

A restart breaks one cell of another kind: while kube-proxy is stopped, no healthCheckNodePort answers on its node, and
the lab's balancer takes the node out at once. A Local Service with endpoints on that node only then has no target.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.observation import Outcome
from reports.analysis.rolling import ExchangeStep, RollingExchange
from tests.lab.support.broken import small
from tests.lab.support.settings import PROGRAMS
from tests.unit.support.paths import ROOT
from topologies.lab.sandbox import locate
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.analysis.rolling import ExchangePhase
    from topologies.schema.topology import Topology

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-rolling"
HEALTH_CHECKED = ("n1", "ext-e1-to-web-lb-local.loadbalancer-v4-tcp")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The topology file of a lab of two workers that is up."""
    with small(NAME, tmp_path_factory.mktemp("rolling")) as path:
        yield path


def command(file: Path, *options: str) -> list[str]:
    given = [f"--kubernetes-bin={PROGRAMS}"] if PROGRAMS else []
    place = [f"--topology={file}", f"--out={file.parent / 'out'}", "--format=json", "--pause=0.5"]
    return [sys.executable, "-m", "hairpin", "rolling", "iptables", "iptables", *place, *given, *options]


def exchanged(file: Path, *options: str) -> tuple[int, RollingExchange]:
    """The exit code and the report of an exchange of every node."""
    done = subprocess.run(command(file, *options), cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert "Traceback" not in done.stderr
    found = RollingExchange.model_validate_json(done.stdout or done.stderr)
    for step in found.steps:
        phases = ", ".join(f"{one.name} {one.failed} of {one.attempts}" for one in step.phases)
        print(f"{step.node}: {phases}; {len(step.broken)} cells broken, {len(step.connections)} connections held")
    return done.returncode, found


def phase(step: ExchangeStep, name: str) -> ExchangePhase:
    return next(one for one in step.phases if one.name == name)


def chains(step: ExchangeStep, name: str) -> int:
    left = phase(step, name).left
    assert left
    assert "chains" not in left.unread
    return len(left.chains)


def is_processed_by(cell: str, node: str, topology: Topology) -> bool:
    """Whether a node's kube-proxy may be the one that translates the cell's packets."""
    vantage, _, rest = cell.partition("-to-")
    declared = next(one for one in topology.workload.vantages if one.name == vantage)
    return declared.node == node or f".nodeport.{node}-" in cell or ".loadbalancer" in rest


def test_a_restart_breaks_no_rule(file: Path) -> None:
    code, found = exchanged(file)

    broken = {(step.node, one.cell) for step in found.steps for one in step.broken}
    assert code == (1 if broken else 0)
    assert found.complete
    assert len(found.cells) >= 20
    assert broken <= {HEALTH_CHECKED}
    for step in found.steps:
        assert min(one.attempts for one in step.phases) > 0
        assert chains(step, "synced") == chains(step, "stopped") > 20
        assert step.connections
        assert not any(one.is_lost for one in step.connections)


def test_a_cleanup_breaks_the_cells_of_its_node_until_the_next_sync(file: Path) -> None:
    code, found = exchanged(file, "--cleanup")
    topology = load(str(file))

    assert code == 1
    for step in found.steps:
        broken = {one.cell: one for one in step.broken if (step.node, one.cell) != HEALTH_CHECKED}
        outside = [f"ext-e1-to-web-np.nodeport.{step.node}-v4-tcp", f"pod-{step.node}-to-web.clusterip-v4-tcp"]
        assert set(outside) & {*found.cells} <= {*broken}
        assert outside[0] in broken
        assert Outcome.REFUSED in broken[outside[0]].outcomes
        assert all(is_processed_by(cell, step.node, topology) for cell in broken)
        assert {name for one in broken.values() for name in one.phases} <= {"cleaned", "started"}
        assert chains(step, "cleaned") < chains(step, "stopped") == chains(step, "synced")
        assert not any(one.is_lost for one in step.connections)


@pytest.mark.skipif(not os.environ.get("HAIRPIN_SLOW"), reason="takes 20 s more: HAIRPIN_SLOW=1")
def test_an_interrupted_exchange_reports_what_it_has_seen(file: Path) -> None:
    with subprocess.Popen(command(file), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        assert run.stdout
        printed = []
        for line in run.stderr:
            printed.append(line)
            if line.startswith("n1 synced"):
                run.send_signal(signal.SIGTERM)
        found = RollingExchange.model_validate_json(run.stdout.read())

    assert run.returncode == 130
    assert not found.complete
    assert found.steps[0].node == "n1"
    assert f"hairpin lab down {NAME}" in printed[-1]


def test_the_lab_is_declared_as_it_is_now(file: Path) -> None:
    assert locate(NAME).topology.read_text() == load(str(file)).model_dump_json()
