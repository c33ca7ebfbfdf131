"""The rights that `hairpin rbac` prints are enough: runs with these and no others, on a real API server with RBAC."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hairpin.main import main
from tests.lab.support.accounts import apply, make_kubeconfig, make_namespace
from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.cluster import rights
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "test-rbac"
TEAM = "team-a"


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab's topology file; the lab is up while the tests run."""
    path = tmp_path_factory.mktemp("rbac") / "lab.yaml"
    path.write_text(re.sub("(?m)^name: .*$", f"name: {NAME}", (ROOT / "topologies/library/lab-small.yaml").read_text()))
    lab.up(load(str(path)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    yield path
    lab.down(NAME)


def ask(topology: Path, kubeconfig: Path, out: Path, *options: str) -> dict[str, Any]:
    """Run the suites with this account; the run's data."""
    pytest_run = [sys.executable, "-m", "pytest", f"--topology={topology}", f"--kubeconfig={kubeconfig}"]
    chosen = ["-q", "-k", "(pod-n1 or host-n2) and (web-np or host-np)", f"--out={out}", *options]
    done = subprocess.run(
        Sandbox.find(NAME).enter_command("cp", [*pytest_run, *chosen]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [written] = (folder / "run.json" for folder in out.iterdir() if not folder.is_symlink())
    run: dict[str, Any] = json.loads(written.read_text())
    assert {record["verdict"] for record in run["records"]} == {"pass"}
    return run


def test_a_run_passes_with_the_documented_rights(topology: Path, tmp_path: Path) -> None:
    apply(NAME, (ROOT / "docs" / "rbac.yaml").read_text())
    kubeconfig = make_kubeconfig(NAME, tmp_path / "kubeconfig")

    assert ask(topology, kubeconfig, tmp_path / "out")["notes"] == []


@pytest.fixture(scope="module")
def team(topology: Path) -> str:
    """A namespace that its administrator has made."""
    assert topology
    make_namespace(NAME, TEAM)
    return TEAM


@pytest.mark.parametrize("least", [True, False])
def test_with_a_namespace_a_role_in_it_is_enough(topology: Path, team: str, tmp_path: Path, *, least: bool) -> None:
    account = "probe-least" if least else "probe"
    apply(NAME, rights.manifests(team, account, least=least))
    options = (f"--namespace={team}", f"--account={account}")
    kubeconfig = make_kubeconfig(NAME, tmp_path / "kubeconfig", *options)
    run = ask(topology, kubeconfig, tmp_path / "out", f"--namespace={team}")

    lacks = {note.partition(":")[0] for note in run["notes"]}
    optional = {
        "not compared with the topology",
        "`hairpin clean` and other runs cannot see that this run asks",
        "not known whether a NetworkPolicy restricts the pods",
    }
    assert lacks == (optional if least else set())
    assert not [note for note in run["notes"] if "is not yet answered" in note]
    for kind in ("pods", "services"):
        listed: Any = api(NAME, "GET", f"/api/v1/namespaces/{team}/{kind}")["items"]
        assert [one["metadata"]["name"] for one in listed if "deletionTimestamp" not in one["metadata"]] == []
    found: Any = api(NAME, "GET", f"/api/v1/namespaces/{team}")
    assert found["status"]["phase"] == "Active"


def test_an_account_without_the_manifests_gets_no_kubeconfig(
    topology: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert topology
    out = tmp_path / "kubeconfig"

    assert main(["rbac", "--kubeconfig", str(tmp_path / "none"), "--kubeconfig-out", str(out)]) == 2
    assert "no such file" in capsys.readouterr().err
    assert not out.exists()
