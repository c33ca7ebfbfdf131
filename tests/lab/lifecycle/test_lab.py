"""The real lab: it comes up, holds what it promises, and leaves no trace. Needs root and the Kubernetes programs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from time import sleep
from typing import TYPE_CHECKING

import pytest

from tests.lab.support.machine import Sniffer, changes, traces
from tests.lab.support.settings import PROGRAMS, SLOW
from tests.lab.support.small import api, inside, named
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import ProcessError, run
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.schema.topology import LabSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-small"
KNOWN = {"lo", "nodes", "second", "outside", "cp", "n1", "n2", "lb", "rt", "e1"}
SEED = int(os.environ.get("HAIRPIN_SEED", "1"))
UP = f"""
from tests.lab.support.settings import PROGRAMS
from tests.lab.support.small import named
from topologies.lab import lab
lab.up(named({NAME!r}), kubernetes_bin=PROGRAMS)
"""


@pytest.fixture(scope="module", autouse=True)
def before() -> Iterator[dict[str, set[str]]]:
    """The machine before the first lab; after the last it is the same, and no packet of theirs was on its links."""
    lab.down(NAME)
    found, sniffer = traces(NAME), Sniffer()
    yield found
    lab.down(NAME)
    assert not sniffer.close()
    assert not changes(found, traces(NAME))


@pytest.fixture
def small(before: dict[str, set[str]]) -> lab.RunningLab:
    """The lab most tests look at, brought up by the first one that wants it."""
    assert before
    return lab.up(named(NAME), kubernetes_bin=PROGRAMS, progress=lambda _: None)


def test_every_node_is_ready(small: lab.RunningLab) -> None:
    nodes = api(small.name, "GET", "/api/v1/nodes")["items"]

    assert isinstance(nodes, list)
    assert [node["metadata"]["name"] for node in nodes] == ["n1", "n2"]


def test_up_again_finds_it_running(small: lab.RunningLab) -> None:
    first = Sandbox.find(NAME).first_pid

    assert lab.up(named(NAME), kubernetes_bin=PROGRAMS) == small
    assert Sandbox.find(NAME).first_pid == first


def test_another_topology_of_that_name_is_told(small: lab.RunningLab) -> None:
    with pytest.raises(lab.LabError, match="another topology"):
        lab.up(named(small.name, about="changed"), kubernetes_bin=PROGRAMS)


def test_nothing_leads_out(small: lab.RunningLab, before: dict[str, set[str]]) -> None:
    """No link of the machine's is new, no host has a link but those declared, and the default route ends inside."""
    root = Sandbox.find(NAME)
    links = run(["nsenter", "--target", str(root.first_pid), "--net", "ip", "-o", "link"])

    assert traces(NAME)["links"] == before["links"]
    assert all(line.split(": ")[1].split("@")[0].partition("-")[0] in KNOWN for line in links.splitlines())
    assert "unreachable default" in inside(small.name, "rt", "ip", "route")
    with pytest.raises(ProcessError, match="status 7"):
        inside(small.name, "cp", "curl", "-sS", "--max-time", "5", "http://203.0.113.1")


def test_nothing_has_ipv6(small: lab.RunningLab) -> None:
    for host in Sandbox.find(small.name).hosts():
        assert not inside(small.name, host, "ip", "-6", "address")


@pytest.mark.parametrize(("address", "name"), [("198.18.3.100", "hairpin-"), ("198.18.1.11", "n1")])
def test_ssh_reaches_hosts_with_verified_keys(small: lab.RunningLab, address: str, name: str) -> None:
    keys = [
        "-i",
        str(small.ssh_key),
        "-o",
        f"UserKnownHostsFile={small.known_hosts}",
        "-o",
        "StrictHostKeyChecking=yes",
    ]

    printed = inside(small.name, "cp", "ssh", "-F", "none", "-o", "BatchMode=yes", *keys, f"root@{address}", "hostname")

    assert printed.startswith(name)


def test_a_program_inside_keeps_the_machines_files_and_our_directory(small: lab.RunningLab, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "topologies.lab", "exec", "--topology", small.name]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [*command, "--", "sh", "-c", "echo $HAIRPIN_INSIDE > written; ip -o address"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (tmp_path / "written").read_text() == f"{small.name}\n"
    assert "198.18.1.10" in done.stdout


def test_the_machines_files_are_read_only_for_the_labs_daemons(small: lab.RunningLab) -> None:
    with pytest.raises(ProcessError, match="Read-only file system"):
        inside(small.name, "n1", "touch", "/usr/hairpin")


def test_a_service_gets_an_address_is_refused_without_backends_and_gives_it_back(small: lab.RunningLab) -> None:
    ports = {"type": "LoadBalancer", "selector": {"app": "nobody"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "empty"}, "spec": ports}
    path = "/api/v1/namespaces/default/services"

    def told() -> bool:
        return "198.18.100.1" in str(api(small.name, "GET", f"{path}/empty").get("status"))

    api(small.name, "POST", path, service)
    until(unmet(told), Deadline(5), "an address")
    with pytest.raises(ProcessError, match="status 7"):
        inside(small.name, "e1", "curl", "-sS", "--max-time", "5", "http://198.18.100.1")
    api(small.name, "DELETE", f"{path}/empty")
    until(unmet(lambda: "198.18.100.1" not in inside(small.name, "lb", "ip", "address")), Deadline(5), "removal")


def test_the_balancer_answers_itself_on_a_port_nobody_declared(small: lab.RunningLab) -> None:
    assert inside(small.name, "e1", "curl", "-sS", "http://198.18.1.1:7777/hostname") == "lb"


def test_two_labs_stand_side_by_side_and_legacy_iptables_is_a_choice(small: lab.RunningLab) -> None:
    beside = named("test-beside", lab=LabSettings(iptables="legacy", icmp_ratelimit=0))
    try:
        lab.up(beside, kubernetes_bin=PROGRAMS, progress=lambda _: None)

        assert {"test-beside", small.name} <= set(lab.running())
        assert "legacy" in inside("test-beside", "n1", "iptables", "--version")
        assert "nf_tables" in inside(small.name, "n1", "iptables", "--version")
        assert inside("test-beside", "n1", "cat", "/proc/sys/net/ipv4/icmp_ratelimit").strip() == "0"
    finally:
        lab.down("test-beside")

    assert lab.find(small.name) == small


def test_down_leaves_no_trace_and_may_be_said_twice(small: lab.RunningLab, before: dict[str, set[str]]) -> None:
    assert lab.down(small.name)
    assert not lab.down(small.name)

    assert not changes(before, traces(NAME))


@pytest.mark.parametrize(
    "moment", [round(random.Random(SEED + n).uniform(0.1, 7), 2) for n in range(6 if SLOW in os.environ else 3)]
)
def test_up_may_be_killed_at_any_moment(moment: float, before: dict[str, set[str]]) -> None:
    child = subprocess.Popen([sys.executable, "-c", UP], cwd=ROOT, stdout=subprocess.DEVNULL)
    sleep(moment)
    child.send_signal(signal.SIGKILL)
    child.wait()

    lab.down(NAME)

    assert not changes(before, traces(NAME))


@pytest.mark.parametrize("verb", [["exec"], ["exec", "n1"], ["exec", "e1"]])
def test_what_exec_started_ends_with_the_lab(verb: list[str], small: lab.RunningLab) -> None:
    """Also a program that left its session and its parent, as `nohup tcpdump &` does."""
    mark = f"777{os.getpid()}"
    command = [sys.executable, "-m", "topologies.lab", verb[0], "--topology", small.name, *verb[1:]]
    script = f"setsid sleep {mark} & sleep {mark}"
    child = subprocess.Popen([*command, "--", "sh", "-c", script], cwd=ROOT)

    def sleeping() -> list[str]:
        done = subprocess.run(["pgrep", "-f", f"sleep {mark}$"], capture_output=True, text=True, check=False)
        return done.stdout.split()

    until(unmet(lambda: len(sleeping()) >= 2), Deadline(20), "both programs")
    lab.down(small.name)

    assert child.wait(10) == -signal.SIGKILL
    assert not sleeping()


@pytest.mark.parametrize("which", ["holder", "first", "apiserver"])
def test_any_of_its_processes_may_be_killed(which: str, small: lab.RunningLab, before: dict[str, set[str]]) -> None:
    sandbox = Sandbox.find(small.name)
    assert sandbox.first_pid
    assert sandbox.state.process
    api_server = [int(pid) for pid in run(["pgrep", "-f", f"kube-apiserver .*/labs/{small.name}/"]).split()]
    pids = {"holder": sandbox.state.process.pid, "first": sandbox.first_pid, "apiserver": api_server[0]}
    os.kill(pids[which], signal.SIGKILL)

    lab.down(small.name)

    assert not changes(before, traces(NAME))
