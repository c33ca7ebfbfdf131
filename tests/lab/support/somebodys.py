"""A lab as the cluster of another team: a neutral name, its registry's image, its Service, docs/rbac.yaml's account."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.common.waiting import Deadline, until
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import LIBRARY, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from topologies.schema.topology import Topology

NAME = "somebodys"
IMAGE = "somebodys.example/agnhost:1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
PATHS = {
    "ServiceAccount": ACCOUNTS,
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}
SERVICES = "/api/v1/namespaces/default/services"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop"},
    "spec": {"type": "LoadBalancer", "selector": {"app": "shop"}, "ports": [{"port": 8443}]},
}


class Somebodys(NamedTuple):
    """What is known of the cluster: a kubeconfig; and what is hidden from the program: the declared topology."""

    kubeconfig: Path
    declared: Topology
    sandbox: Sandbox


@contextmanager
def somebodys(name: str, folder: Path) -> Iterator[Somebodys]:
    """Bring the lab of a library topology up under a neutral name; take it down afterwards."""
    text = re.sub("(?m)^name: .*$", f"name: {NAME}", (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8"))
    file = folder / "hidden.yaml"
    file.write_text(text, encoding="utf-8")
    declared = load(str(file))
    file.unlink()
    lab.down(NAME)
    lab.up(declared, kubernetes_bin=PROGRAMS, progress=lambda _: None)
    try:
        sandbox = Sandbox.find(NAME)
        _rename_image(sandbox)
        if declared.load_balancer.exists:
            _make_service()
        yield Somebodys(_make_account(folder), declared, sandbox)
    finally:
        lab.down(NAME)


def _rename_image(sandbox: Sandbox) -> None:
    for worker in sandbox.workers():
        rename = ["ctr", "-n", "k8s.io", "images", "tag", "hairpin.local/agnhost:1", IMAGE]
        subprocess.run(sandbox.enter_command(worker, rename), check=True, capture_output=True)


def _make_service() -> None:
    """Make the other team's Service, and wait until the balancer has given it an address or a hostname."""
    api(NAME, "POST", SERVICES, SERVICE)

    def served() -> str:
        found = api(NAME, "GET", f"{SERVICES}/shop")["status"]
        return "" if isinstance(found, dict) and found["loadBalancer"].get("ingress") else "it has no address"

    until(served, Deadline(20), "the Service's address")


def _make_account(folder: Path) -> Path:
    """Return the kubeconfig of the account that docs/rbac.yaml makes."""
    for document in yaml.safe_load_all((ROOT / "docs" / "rbac.yaml").read_text(encoding="utf-8")):
        api(NAME, "POST", PATHS[document["kind"]], document)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status = api(NAME, "POST", f"{ACCOUNTS}/hairpin/token", asked)["status"]
    assert isinstance(status, dict)
    config = yaml.safe_load((locate(NAME).kube / "admin.conf").read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": status["token"]}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
