"""The accounts that `hairpin rbac` makes, on a lab: a namespace for runs, its manifests, and a kubeconfig."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml

from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.lab.sandbox import Sandbox, locate

if TYPE_CHECKING:
    from pathlib import Path

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}


def make_namespace(name: str, namespace: str) -> None:
    """Make a namespace for runs, as docs/rights.md says: its label admits hostNetwork pods."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    api(name, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})


def apply(name: str, text: str) -> None:
    """Create the objects of these manifests on the lab."""
    for document in yaml.safe_load_all(text):
        namespace = document["metadata"].get("namespace")
        place = f"namespaces/{namespace}/" if namespace else ""
        root = "/api/v1" if document["kind"] == "ServiceAccount" else RBAC
        api(name, "POST", f"{root}/{place}{PLURALS[document['kind']]}", document)


def make_kubeconfig(name: str, path: Path, *options: str) -> Path:
    """Write the account's kubeconfig by `hairpin rbac`, inside the lab, with the rights of its administrator."""
    hairpin = [sys.executable, "-m", "hairpin", "rbac", f"--kubeconfig={locate(name).kube / 'admin.conf'}"]
    argv = Sandbox.find(name).enter_command("cp", [*hairpin, f"--kubeconfig-out={path}", *options])
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path
