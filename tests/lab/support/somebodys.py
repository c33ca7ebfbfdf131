"""A lab as the cluster of another team: a neutral name, its registry's image, its Service, an account with few rights.

The account is that of `hairpin rbac --namespace`: a Role in a namespace made beforehand, and reading nodes; neither
`nodes/proxy` nor ConfigMaps, and no right to change anything outside the namespace.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.lab.support.accounts import apply, make_kubeconfig, make_namespace
from tests.lab.support.lab_names import hold_lab_name
from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.cluster import rights
from topologies.common.waiting import Deadline, until
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import LIBRARY, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from topologies.schema.topology import Topology

NAME = "somebodys"
IMAGE = "somebodys.example/agnhost:1"
NAMESPACE = "probes"
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
    with hold_lab_name(NAME):
        lab.down(NAME)
        lab.up(declared, kubernetes_bin=PROGRAMS, progress=lambda _: None)
        try:
            sandbox = Sandbox.find(NAME)
            rename_image(sandbox)
            if declared.load_balancer.exists:
                _make_service()
            yield Somebodys(_make_account(folder), declared, sandbox)
        finally:
            lab.down(NAME)


def check(cluster: Somebodys, out: Path) -> subprocess.CompletedProcess[str]:
    """Run `hairpin check` in the cluster's network, with nothing but the kubeconfig, its namespace and an image."""
    command = [sys.executable, "-m", "hairpin", "check", f"--kubeconfig={cluster.kubeconfig}", f"--image={IMAGE}"]
    inside = cluster.sandbox.enter_command("cp", [*command, f"--namespace={NAMESPACE}", f"--out={out}"])
    return subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def read_run(out: Path) -> dict[str, Any]:
    """Return the data of the newest run in this folder."""
    found: dict[str, Any] = json.loads((out / "last" / "run.json").read_text(encoding="utf-8"))
    return found


def rename_image(sandbox: Sandbox) -> None:
    """Give the lab's image the name of somebody's registry on every worker."""
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
    """Return the kubeconfig of the account that `hairpin rbac --namespace` makes."""
    make_namespace(NAME, NAMESPACE)
    apply(NAME, rights.manifests(NAMESPACE, "hairpin", least=False))
    return make_kubeconfig(NAME, folder / "kubeconfig", f"--namespace={NAMESPACE}")
