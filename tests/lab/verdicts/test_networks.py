"""Each kind of pod network, made real: whole small clusters, asked by the suites, as the rules predict."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.support.lab_names import hold_lab_name
from tests.lab.support.settings import PROGRAMS, SLOW
from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import ProcessError, run
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-network"
MANY = 300
CAME_BACK = 5
FEW = ("lab-calico-vxlan", "lab-servicelb", "lab-nlb-ip")
MORE = (
    *("lab-antrea", "lab-bare-bridge", "lab-bgp", "lab-calico-bgp", "lab-forward-drop", "lab-gke", "lab-vpc-cni"),
    *("lab-kube-vip", "lab-metallb-l2", "lab-nlb-instance", "lab-pass-through", "lab-policies"),
)
PRESETS = (*FEW, *MORE) if SLOW in os.environ else FEW
NODES = [
    {
        "name": f"n{x}",
        "address": f"198.18.1.1{x}",
        "pod_cidr": f"10.244.{x}.0/24",
        "public_address": f"198.18.5.1{x}",
        "secondary_address": f"198.18.6.1{x}",
        "ssh": {},
    }
    for x in (1, 2)
]
NETWORKS: dict[str, dict[str, Any]] = {
    "vpc-egress": {"cni": {"kind": "vpc-routed", "masquerade": "egress"}},
    "vpc-flannel": {"cni": {"kind": "vpc-routed", "masquerade": "flannel"}},
    # The only backend gets its own packets back by the card they came from: the node's redirects use up its refusals.
    "eni-guarded": {"cni": {"kind": "eni", "anti_spoof": True}, "lab": {"icmp_ratelimit": 0}},
    "tunnel-egress": {
        "cni": {"kind": "tunnel", "masquerade": "egress", "anti_spoof": True},
        "kernel": {"rp_filter": 1},
    },
    "policies": {
        "cni": {"kind": "kindnet"},
        "nodes": [
            {**NODES[0], "cni": {"forward_policy": "drop"}},
            {**NODES[1], "cni": {"masquerade": "none", "input_policy": "drop"}},
        ],
    },
    "full-nat": {
        "cni": {"kind": "vpc-routed"},
        "load_balancer": {"kind": "full-nat", "registers": "all", "empty_pool": "drop", "status": "hostname"},
    },
}


@contextmanager
def made(tmp_path: Path, how: dict[str, Any]) -> Iterator[Path]:
    """The file of a small lab of this kind, which is up meanwhile."""
    declared = library("lab-small")
    balancer = {**declared["load_balancer"], **how.get("load_balancer", {})}
    with brought_up(tmp_path, {**declared, "nodes": NODES, **how, "load_balancer": balancer}) as file:
        yield file


def library(name: str) -> dict[str, Any]:
    """The raw contents of a topology of the library."""
    return dict(yaml.safe_load((ROOT / "topologies" / "library" / f"{name}.yaml").read_text()))


@contextmanager
def brought_up(tmp_path: Path, declared: dict[str, Any]) -> Iterator[Path]:
    """The file of a lab with these contents, which is up meanwhile."""
    declared = {**declared, "name": NAME}
    file = tmp_path / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(declared))
    with hold_lab_name(NAME):
        try:
            lab.up(load(str(file)), kubernetes_bin=PROGRAMS, progress=lambda _: None)
            yield file
        finally:
            lab.down(NAME)


def on(host: str, *argv: str) -> str:
    """What a command printed on a host of the lab; ProcessError if it failed."""
    return run(Sandbox.find(NAME).enter_command(host, argv), timeout=30)


def asked(topology: Path) -> dict[str, list[str]]:
    """The cells of each verdict, by verdict; what was wrong about those that did not pass."""
    sandbox = Sandbox.find(NAME)
    command = sandbox.enter_command("cp", [sys.executable, "-m", "tests.lab.support.whole", str(topology)])
    done = subprocess.run(command, cwd=ROOT, env=sandbox.environment(), stdout=subprocess.PIPE, check=True, timeout=300)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_cluster_on_this_network_does_what_the_rules_say(network: str, tmp_path: Path) -> None:
    with made(tmp_path, NETWORKS[network]) as topology:
        verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert len(verdicts["pass"]) > MANY
    print(network, len(verdicts["pass"]), "cells")


def test_connections_that_come_back_to_their_own_clients_are_asked_again(tmp_path: Path) -> None:
    """The first connection of n1's pods to each NodePort of n1's public address comes from the port it goes to."""
    rule = "-I POSTROUTING -p tcp -s 10.244.1.0/24 -d 198.18.5.11 --dport {port} -m statistic --mode nth --every 1000"
    rule += " --packet 0 -j MASQUERADE --to-ports {port}"
    rules = tmp_path / "rules"
    rules.write_text("\n".join(["*nat", *(rule.format(port=port) for port in range(30000, 32768)), "COMMIT\n"]))
    with made(tmp_path, NETWORKS["vpc-flannel"]) as topology:
        on("n1", "iptables-restore", "--noflush", str(rules))
        verdicts = asked(topology)
        listed = on("n1", "iptables", "-t", "nat", "-vnL", "POSTROUTING")

    assert len(re.findall(r"(?m)^ *1 .* statistic ", listed)) > CAME_BACK
    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))


@pytest.mark.parametrize("name", PRESETS)
def test_a_lab_of_other_presets_does_what_the_rules_say(name: str, tmp_path: Path) -> None:
    with brought_up(tmp_path, library(name)) as topology:
        verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert len(verdicts["pass"]) > MANY
    print(name, len(verdicts["pass"]), "cells")


AFFINITY: dict[str, dict[str, Any]] = {
    "by-connection": {"load_balancer": {"kind": "full-nat", "status": "hostname"}},
    "by-client-translated": {
        "load_balancer": {"kind": "full-nat", "status": "hostname", "session_affinity": "client-ip"}
    },
    "by-client-unchanged": {"load_balancer": {"kind": "gcp", "listens": False}, "cni": {"kind": "vpc-routed"}},
}
STICKY = {
    "backends": [{"name": f"web-{x}", "app": "web", "node": f"n{x}"} for x in (1, 2)],
    "services": [{"name": "web-lb", "app": "web", "type": "LoadBalancer", "session_affinity": "ClientIP"}],
    "vantages": [
        {"name": "pod-n1", "kind": "pod", "node": "n1"},
        {"name": "host-n2", "kind": "node", "node": "n2"},
        {"name": "ext-e1", "kind": "external", "external": "e1"},
    ],
}


@pytest.mark.skipif(SLOW not in os.environ, reason="HAIRPIN_SLOW=1: three labs, 1 minute")
@pytest.mark.parametrize("balancer", AFFINITY)
def test_a_load_balancer_keeps_a_client_as_its_session_affinity_is_declared(balancer: str, tmp_path: Path) -> None:
    """With `client-ip` a cell fails if the client reaches two backends."""
    with made(tmp_path, {**AFFINITY[balancer], "workload": STICKY, "external_ips": []}) as topology:
        verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert "ext-e1-to-web-lb.loadbalancer-v4-tcp" in verdicts["pass"]


OWN = ROOT / "tests" / "unit" / "probes" / "oracle" / "cases" / "lab-node-ips.yaml"


def test_external_ips_that_are_nodes_own_lead_to_those_nodes(tmp_path: Path) -> None:
    workload = yaml.safe_load(OWN.read_text())["workload"]
    with made(tmp_path, {"workload": workload, "external_ips": []}) as topology:
        verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert len([cell for cell in verdicts["pass"] if "externalip" in cell]) == len(workload["services"]) * len(
        workload["vantages"]
    )


HEALTH = ("curl", "-sS", "--max-time", "2", "--output", "/dev/null")


def health(address: str) -> str:
    """Where kube-proxy of a node tells its health, at any of the node's addresses."""
    return f"http://{address}:10256/healthz"


def test_the_network_itself_is_as_declared(tmp_path: Path) -> None:
    """ENI: no bridge; a forged source dies in the switch; a public address leads to its node and is on no card."""
    forged = (*HEALTH, "--interface", "198.18.1.99", health("198.18.1.12"))
    with made(tmp_path, {"cni": {"kind": "eni", "anti_spoof": True}}):
        with pytest.raises(ProcessError):
            on("n1", "ip", "link", "show", "cni0")
        on("n1", *HEALTH, health("198.18.6.12"))
        on("e1", *HEALTH, health("198.18.5.12"))
        assert "198.18.5" not in on("n1", "ip", "-o", "address")

        on("n1", "ip", "address", "add", "198.18.1.99/32", "dev", "lo")
        with pytest.raises(ProcessError, match="28"):
            on("n1", *forged)
        switch = str(Sandbox.find(NAME).first_pid)
        run(["nsenter", "--target", switch, "--net", "nft", "delete", "table", "bridge", "hairpin"])
        on("n1", *forged)
