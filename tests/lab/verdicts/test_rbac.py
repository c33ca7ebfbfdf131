"""docs/rbac.yaml is enough: a run with these rights and no other, on a real API server with RBAC."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "test-rbac"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PATHS = {
    "ServiceAccount": ACCOUNTS,
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab's topology file; the lab is up while the tests run."""
    path = tmp_path_factory.mktemp("rbac") / "lab.yaml"
    path.write_text(re.sub("(?m)^name: .*$", f"name: {NAME}", (ROOT / "topologies/library/lab-small.yaml").read_text()))
    lab.up(load(str(path)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    yield path
    lab.down(NAME)


@pytest.fixture(scope="module")
def kubeconfig(topology: Path) -> Path:
    """Of the ServiceAccount that docs/rbac.yaml makes."""
    for document in yaml.safe_load_all((ROOT / "docs" / "rbac.yaml").read_text()):
        api(NAME, "POST", PATHS[document["kind"]], document)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status = api(NAME, "POST", f"{ACCOUNTS}/hairpin/token", asked)["status"]
    assert isinstance(status, dict)
    config = yaml.safe_load((locate(NAME).kube / "admin.conf").read_text())
    config["users"][0]["user"] = {"token": status["token"]}
    path = topology.with_name("kubeconfig")
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_run_passes_with_the_documented_rights(topology: Path, kubeconfig: Path, tmp_path: Path) -> None:
    pytest_run = [sys.executable, "-m", "pytest", f"--topology={topology}", f"--kubeconfig={kubeconfig}"]
    chosen = ["-q", "-k", "pod-n1 and web-np", f"--out={tmp_path}"]
    done = subprocess.run(
        Sandbox.find(NAME).enter_command("cp", [*pytest_run, *chosen]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [written] = (folder / "run.json" for folder in tmp_path.iterdir() if not folder.is_symlink())
    run = json.loads(written.read_text())
    assert run["notes"] == []
    assert {record["verdict"] for record in run["records"]} == {"pass"}
