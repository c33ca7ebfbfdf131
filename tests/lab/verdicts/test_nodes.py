"""Nodes with other names in the API, and a node that exists and is not declared, on a real cluster.

The lab has four nodes, whose names in the API and host names are apart. The topology that is asked declares three. The
load balancer sends also to the fourth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.support.settings import PROGRAMS
from tests.unit.support.paths import ROOT
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox, locate
from topologies.loading.load import LIBRARY, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-nodes"
FOURTH = "198.18.1.14"
NODES = [
    {
        "name": f"ip-198-18-1-1{x}.ec2.internal",
        "as": f"n{x}",
        "address": f"198.18.1.1{x}",
        "pod_cidr": f"10.244.{x}.0/24",
        "ssh": {},
    }
    for x in (1, 2, 3, 4)
]


def write(place: Path, nodes: list[dict[str, Any]]) -> Path:
    declared = yaml.safe_load((LIBRARY / "lab-flannel.yaml").read_text())
    balancer = {**declared["load_balancer"], "status": "hostname"}  # so that clients inside use it too
    place.write_text(yaml.safe_dump({**declared, "name": NAME, "nodes": nodes, "load_balancer": balancer}))
    return place


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that declares three of the lab's four nodes; the lab is up while the tests run."""
    folder = tmp_path_factory.mktemp("nodes")
    whole = write(folder / "whole.yaml", NODES)
    lab.up(load(str(whole)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
    yield write(folder / "part.yaml", NODES[:3])
    lab.down(NAME)


def ask(file: Path, out: Path, *options: str) -> dict[str, Any]:
    """Run the suites; the run's data. Every cell passes."""
    kubeconfig = locate(NAME).kube / "admin.conf"
    command = [sys.executable, "-m", "pytest", f"--topology={file}", f"--kubeconfig={kubeconfig}", "-q", *options]
    done = subprocess.run(
        Sandbox.find(NAME).enter_command("cp", [*command, f"--out={out}"]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    run: dict[str, Any] = json.loads((out / "last" / "run.json").read_text())
    assert {record["verdict"] for record in run["records"]} == {"pass"}
    return run


def test_every_node_of_a_class_is_asked_in_turn(part: Path, tmp_path: Path) -> None:
    """Nodes n3 and n4 have no endpoint of web-np, so that without the option only n3 is asked."""
    run = ask(part.with_name("whole.yaml"), tmp_path, "--every-node", "-k", "pod-n1-to-web-np.nodeport")

    asked = {record["cell"]["id"].removeprefix("pod-n1-to-web-np.nodeport.") for record in run["records"]}
    assert asked >= {f"n{number}-v4-tcp" for number in (1, 2, 3, 4)}


def test_cells_through_a_node_that_is_not_declared_pass(part: Path, tmp_path: Path) -> None:
    run = ask(part, tmp_path, "-k", "lb and not ext and not ssh", "--samples=20")

    seen = [sources(record) for record in run["records"] if record["cell"]["frontend"] == "loadbalancer"]
    through_fourth = [one for one in seen if one & {FOURTH, "10.244.4.0", "10.244.4.1"}]
    assert len(through_fourth) > 5
    hosted = [record for record in run["records"] if record["cell"]["service"].startswith("host-lb")]
    assert any(attempt["backend"] == "host-a" for record in hosted for attempt in record["observed"]["attempts"])
    assert "ec2.internal" not in "".join(record["cell"]["id"] for record in run["records"])
    assert set(run["snapshot"]["hostnames"].values()) == {"n1"}  # the API has another name


def sources(record: dict[str, Any]) -> set[str]:
    return {address(attempt["source"]) for attempt in record["observed"]["attempts"] if attempt.get("source")}


def address(source: Any) -> str:
    return str(source["address"] if isinstance(source, dict) else source)
