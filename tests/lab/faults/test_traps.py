"""What is not as declared never passes: each trap with its exit code, its first line, and the seconds to it.

A trap that the API knows of at once ends the run within SOON_S, and nothing of it is left in the cluster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.support.broken import small
from tests.lab.support.slowdown import measure_slowdown
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import run
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.sandbox import Sandbox, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-traps"
SOON_S = 15.0
HELD = "import socket, sys; s = socket.create_server(('0.0.0.0', 9090)); print('held', flush=True); sys.stdin.read()"
NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True)
class Ran:
    """One run: its exit code, the first line that says what was not tested, seconds, and run.json's verdicts.

    `seconds`: the elapsed time, divided by the slowdown that other programs caused.
    """

    code: int
    first: str
    seconds: float
    printed: str
    verdicts: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The topology file of a lab of two workers that is up."""
    with small(NAME, tmp_path_factory.mktemp("traps")) as path:
        yield path


def ask(file: Path, *options: str, **changed: Any) -> Ran:
    """Run the suites inside the lab with the file, in which some keys of the top level are changed."""
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    trap = file.with_name("trap.yaml")
    trap.write_text(yaml.safe_dump({**declared, **changed}), encoding="utf-8")
    out = file.parent / "out"
    kubeconfig = locate(NAME).kube / "admin.conf"
    given = [f"--topology={trap}", f"--kubeconfig={kubeconfig}", f"--out={out}", "-p", "no:cacheprovider", "-q"]
    command = Sandbox.find(NAME).enter_command("cp", [sys.executable, "-m", "pytest", *given, *options])
    began = monotonic()
    with measure_slowdown() as slowdown:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=Sandbox.find(NAME).environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    seconds = (monotonic() - began) / slowdown.factor
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    said = [line.strip("! ") for line in lines if "NOT TESTED: " in line or "could not be tested" in line]
    ran = Ran(done.returncode, said[0] if said else "", seconds, done.stdout + done.stderr, verdicts(out))
    print(f"exit {ran.code} after {ran.seconds:.1f} s (x {slowdown.factor:.1f}): {ran.first}")
    return ran


def verdicts(out: Path) -> dict[str, str]:
    """The verdict of each cell of the newest run."""
    told = out / "last" / "run.json"
    return (
        {one["cell"]["id"]: one["verdict"] for one in json.loads(told.read_text())["records"]} if told.exists() else {}
    )


def ends_at_once(ran: Ran) -> None:
    assert ran.code == 6, ran.printed[-3000:]
    assert ran.seconds <= SOON_S, ran.printed[-3000:]
    assert "Traceback" not in ran.printed
    assert not ours()


def ours() -> list[str]:
    """The namespaces of runs that are not being deleted."""
    items = api(NAME, "GET", f"{NAMESPACES}?labelSelector=app.kubernetes.io/managed-by=hairpin")["items"]
    assert isinstance(items, list)
    return [one["metadata"]["name"] for one in items if "deletionTimestamp" not in one["metadata"]]


@contextmanager
def held_port() -> Iterator[None]:
    """Something that is not ours listens at port 9090 of n1, where host-a wants to, and answers nothing."""
    command = Sandbox.find(NAME).enter_command("n1", [sys.executable, "-c", HELD])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.stdin.close()  # which ends it


@contextmanager
def unanswered_port() -> Iterator[None]:
    """Packets to port 9090 of n1, where host-a listens, are dropped, kubelet's too: host-a never becomes Ready."""
    rule = ["INPUT", "-p", "tcp", "--dport", "9090", "-j", "DROP"]
    sandbox = Sandbox.find(NAME)
    run(sandbox.enter_command("n1", ["iptables", "-I", *rule]), timeout=10)
    try:
        yield
    finally:
        run(sandbox.enter_command("n1", ["iptables", "-D", *rule]), timeout=10)


def test_a_port_that_something_else_holds_is_moved_and_named(file: Path) -> None:
    with held_port():
        ran = ask(file, "--settle-timeout=20", "-k", "pod-n1")

    assert ran.code == 0, ran.printed[-3000:]
    assert set(ran.verdicts.values()) == {"pass"}
    assert "the host port of app host is taken on a node: its backends listen on " in ran.printed


def test_a_backend_that_is_not_ready_is_not_tested_and_the_run_is_no_success(file: Path) -> None:
    with unanswered_port():
        ran = ask(file, "--settle-timeout=20", "-k", "pod-n1")

    spoiled = {cell for cell, verdict in ran.verdicts.items() if verdict == "inconclusive"}
    assert ran.code == 1, ran.printed[-3000:]
    assert ran.first.startswith("NOT TESTED: declared backend host-a is not Ready: "), ran.first
    assert spoiled == {cell for cell in ran.verdicts if "-to-host" in cell and "undeclared" not in cell}
    assert {verdict for cell, verdict in ran.verdicts.items() if cell not in spoiled} == {"pass"}


def test_a_run_that_chose_none_of_its_cells_is_no_success_either(file: Path) -> None:
    with unanswered_port():
        ran = ask(file, "--settle-timeout=20", "-k", "pod-n1-to-web.clusterip")

    assert ran.code == 1, ran.printed[-3000:]
    assert set(ran.verdicts.values()) == {"pass"}
    assert ran.first.startswith("NOT TESTED: declared backend host-a is not Ready")


def test_a_node_that_is_missing_is_known_from_the_list_of_nodes(file: Path) -> None:
    ran = ask(file, nodes=3)

    ends_at_once(ran)
    assert "node n3: declared there, real not among n1, n2 (list nodes)" in ran.first


def test_a_wrong_version_is_known_from_the_api_server(file: Path) -> None:
    ran = ask(file, kubernetes="1.30.3", proxy={"mode": "nftables"})

    ends_at_once(ran)
    assert "kubernetes: declared 1.30.3, real v1.20.2 (the API server's /version)" in ran.first


def test_a_wrong_version_of_kube_proxy_is_known_from_its_nodes(file: Path) -> None:
    ran = ask(file, proxy={"mode": "iptables", "version": "1.22.3"})

    ends_at_once(ran)
    assert "version of kube-proxy of n1: declared 1.22.3, real v1.20.2 (http://127.0.0.1:10249 on n1" in ran.first


def test_a_wrong_mode_is_known_from_the_nodes(file: Path) -> None:
    ran = ask(file, proxy={"mode": "ipvs"})

    ends_at_once(ran)
    assert "mode of kube-proxy of n1: declared ipvs, real iptables" in ran.first
    assert "mode of kube-proxy of n2: declared ipvs, real iptables" in ran.first


def test_wrong_addresses_and_ranges_are_all_told_at_once(file: Path) -> None:
    nodes = [
        {"name": "n1", "address": "198.18.1.77", "pod_cidr": "10.244.1.0/24"},
        {"name": "n2", "address": "198.18.1.12", "pod_cidr": "10.244.9.0/24"},
    ]
    ran = ask(file, nodes=nodes, service_cidr="10.50.0.0/16")

    ends_at_once(ran)
    assert "address of node n1: declared 198.18.1.77, real 198.18.1.11" in ran.first
    assert "pod_cidr of node n2: declared 10.244.9.0/24, real 10.244.2.0/24" in ran.first
    assert "service_cidr: declared 10.50.0.0/16, real a range with 10.96.0.1" in ran.first


def test_a_balancer_without_an_address_is_not_tested(file: Path) -> None:
    [pid] = map(int, run(["pgrep", "-f", f"topologies.lab.load_balancer.controller .*/labs/{NAME}$"]).split())
    os.kill(pid, signal.SIGSTOP)
    try:
        ran = ask(file, "--settle-timeout=10", "--balancer-settle=1", "-k", "pod-n1 and (web-lb or web-np)")
    finally:
        os.kill(pid, signal.SIGCONT)

    spoiled = {cell for cell, verdict in ran.verdicts.items() if verdict == "inconclusive"}
    assert ran.code == 1, ran.printed[-3000:]
    assert ran.first.startswith("NOT TESTED: Service web-lb"), ran.first
    assert "has no IPv4 address in status.loadBalancer" in ran.first
    assert spoiled == {cell for cell in ran.verdicts if "loadbalancer" in cell}
    assert {verdict for cell, verdict in ran.verdicts.items() if cell not in spoiled} == {"pass"}


def test_an_image_that_is_missing_ends_the_run(file: Path) -> None:
    ran = ask(file, images={"agnhost": "hairpin.local/no-such-image:1"})

    ends_at_once(ran)
    assert "hairpin.local/no-such-image:1" in ran.first
    assert "ErrImagePull" in ran.first or "ImagePullBackOff" in ran.first


def test_a_quota_that_refuses_ends_the_run(file: Path) -> None:
    """A policy gives every new namespace a quota; here a thread does."""
    with quotas():
        ran = ask(file)

    ends_at_once(ran)
    assert "exceeded quota" in ran.first


@contextmanager
def quotas() -> Iterator[None]:
    """Every namespace of a run gets a quota of three Services while its pods start."""
    ended = threading.Event()
    giver = threading.Thread(target=give_quotas, args=(ended,), daemon=True)
    giver.start()
    try:
        yield
    finally:
        ended.set()
        giver.join()


def give_quotas(ended: threading.Event) -> None:
    hard = {"hard": {"services": "3"}}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": hard}
    known: set[str] = set()
    while not ended.wait(0.05):
        for namespace in set(ours()) - known:
            api(NAME, "POST", f"{NAMESPACES}/{namespace}/resourcequotas", body)
            known.add(namespace)


def test_afterwards_the_lab_is_as_declared_and_passes(file: Path) -> None:
    until(unmet(lambda: not ours()), Deadline(30), "the end of the other runs")
    ran = ask(file, "-k", "pod-n1 and (web-np or host)")

    assert ran.code == 0, ran.printed[-3000:]
    assert not ran.first
    assert set(ran.verdicts.values()) == {"pass"}
