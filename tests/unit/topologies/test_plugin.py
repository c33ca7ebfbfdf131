"""`--with` and `--kubernetes-bin` of pytest: the topology of a run, and what a bad override is answered with."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reports.analysis.repeat_command import repeat_command
from reports.records.journal import load
from reports.records.rejudge import own_topology
from tests.unit.support.paths import ROOT
from tests.unit.topologies.lab.programs import write_program

if TYPE_CHECKING:
    from pathlib import Path

CELL = "pod-n1-to-web.clusterip-v4-tcp"

pytestmark = pytest.mark.slow


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--topology=lab-flannel", "--simulate", "-q", "-k", CELL, *options]
    return subprocess.run([*command, "suites"], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_run_has_the_topology_with_its_overrides(tmp_path: Path) -> None:
    done = run("--with=kubernetes=1.34.4", "--with", "mode=nftables", f"--out={tmp_path}")
    found = load(tmp_path / "last")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (own_topology(found).kubernetes, own_topology(found).proxy.mode) == ((1, 34, 4), "nftables")
    assert "--with=kubernetes=1.34.4 --with=mode=nftables" in repeat_command(found, CELL)


def test_the_version_follows_the_programs(tmp_path: Path) -> None:
    proxy = tmp_path / "kube-proxy"
    proxy.write_text("#!/bin/sh\necho Kubernetes v1.33.6\n")
    proxy.chmod(0o755)
    assert run(f"--kubernetes-bin={tmp_path}", f"--out={tmp_path}/out").returncode == 0
    assert own_topology(load(tmp_path / "out" / "last")).kubernetes == (1, 33, 6)

    assert run(f"--kubernetes-bin={tmp_path}", "--with=kubernetes=1.30.0", f"--out={tmp_path}/out").returncode == 0
    assert own_topology(load(tmp_path / "out" / "last")).kubernetes == (1, 30, 0)


def test_the_version_of_one_node_follows_its_kube_proxy(tmp_path: Path) -> None:
    option = f"--kube-proxy-bin=n2={write_program(tmp_path / 'proxy', '1.33.6')}"
    assert run("--with=kubernetes=1.34.4", option, f"--out={tmp_path}/out").returncode == 0
    found = load(tmp_path / "out" / "last")

    assert own_topology(found).proxy_version_of("n1") == (1, 34, 4)
    assert own_topology(found).proxy_version_of("n2") == (1, 33, 6)
    assert option in repeat_command(found, CELL)


def test_a_kube_proxy_of_another_version_than_declared_ends_the_run(tmp_path: Path) -> None:
    done = run("--with=version=1.20.2", f"--kube-proxy-bin={write_program(tmp_path / 'proxy', '1.33.6')}")

    assert done.returncode == 4
    assert "proxy: got 1.33.6, want 1.20.2, as proxy.version declares. Change one of the two" in done.stderr


def test_a_bad_override_ends_the_run_with_what_is_possible(tmp_path: Path) -> None:
    done = run("--with=proxi.mode=ipvs", f"--out={tmp_path}")

    assert done.returncode == 4
    assert "proxi" in done.stderr
    assert "proxy" in done.stderr


def test_an_interruption_while_the_lab_comes_up_is_one_line() -> None:
    """A traceback of forty lines and a death by SIGINT is how it ended before."""
    script = """
import sys, pytest
from topologies.lab import lab

def up(*_, **__):
    raise KeyboardInterrupt

lab.up = up
sys.exit(pytest.main(["--topology=lab-flannel", "-q", "suites"]))
"""
    command, env = [sys.executable, "-c", script], {**os.environ}
    env.pop("PYTEST_XDIST_WORKER", None)  # a worker brings no lab up
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert done.stderr == "interrupted while lab lab-flannel came up: it is taken down, nothing was asked\n"
