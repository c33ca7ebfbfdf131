from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from topologies.lab.build.binaries import Binaries
from topologies.lab.build.container_runtime import ContainerRuntime
from topologies.lab.build.program_files import Program
from topologies.lab.cgroups import Hierarchy
from topologies.lab.control_plane import components
from topologies.lab.state import State, read
from topologies.lab.worker import node
from topologies.loading.load import load
from topologies.loading.overrides import declared as load_with
from topologies.schema.enums import Masquerade
from topologies.schema.topology import Version

STATE = State(Path("/state"))
RUNTIME = ContainerRuntime("2.2.9", "/cache/containerd:/usr/bin")
PROXIES = {name: Program(Path("/bin/kube-proxy"), Version(1, 20, 2)) for name in ("n1", "n2", "n3")}
BINARIES = Binaries(Path("/bin"), Version(1, 20, 2), Path("/bin/agnhost"), PROXIES)
PROGRAMS = node.Programs(BINARIES, RUNTIME)


def test_flannels_masquerade_is_written_and_a_routed_network_has_none() -> None:
    flannel, routed = load("lab-flannel"), load("lab-routed")

    assert "-A POSTROUTING -s 10.244.1.0/24 -d 10.244.0.0/16 -j RETURN" in node.iptables(flannel, flannel.nodes[0])
    assert "MASQUERADE" not in node.iptables(routed, routed.nodes[0])


def test_the_bridge_hairpins_as_declared() -> None:
    topology = load("lab-flannel")
    straight = topology.model_copy(update={"kernel": topology.kernel.model_copy(update={"hairpin": False})})

    assert node.cni_config(topology, topology.nodes[0])["plugins"][0]["hairpinMode"]
    assert not node.cni_config(straight, topology.nodes[0])["plugins"][0]["hairpinMode"]


def test_the_kubelets_arguments_follow_the_version() -> None:
    old = load("lab-flannel")
    new = old.model_copy(update={"kubernetes": Version(1, 30)})

    assert any(flag.startswith("--docker=") for flag in node.kubelet(old, STATE, old.nodes[0]))
    assert not any(flag.startswith("--docker=") for flag in node.kubelet(new, STATE, old.nodes[0]))
    assert not any(flag.startswith("--insecure-port") for flag in components.apiserver(new, STATE))


def test_kubelets_start_after_the_api_and_containerd() -> None:
    topology = load("lab-flannel")

    daemons = {one["name"]: one for one in node.daemons(topology, STATE, PROGRAMS, topology.nodes[0])}

    assert list(daemons) == ["containerd", "sshd", "kubelet", "kube-proxy"]
    assert daemons["containerd"]["env"] == {"PATH": RUNTIME.path}
    assert daemons["kubelet"]["awaits"] == [node.SOCKET, "/state/api-ready"]


def test_a_node_runs_its_own_kube_proxy() -> None:
    topology = load_with("lab-flannel", {"nodes.n2.proxy.version": "1.24.17"})
    other = Program(Path("/cache/kube-proxy"), Version(1, 24, 17))
    mixed = node.Programs(replace(BINARIES, proxies={**PROXIES, "n2": other}), RUNTIME)

    started = [
        next(one["argv"][0] for one in node.daemons(topology, STATE, mixed, each) if one["name"] == "kube-proxy")
        for each in topology.nodes[:3]
    ]

    assert started == ["/bin/kube-proxy", "/cache/kube-proxy", "/bin/kube-proxy"]


def test_a_nodes_files_are_complete(tmp_path: Path) -> None:
    topology, state = load("lab-flannel"), State(tmp_path)
    memory = Hierarchy(Path("/sys/fs/cgroup/memory"), "/", "memory", "/")

    node.write_node(topology, state, PROGRAMS, topology.nodes[0], (memory,))

    names = {path.name for path in state.node("n1").rglob("*") if path.is_file()}
    assert names == {"containerd.toml", "10-hairpin.conflist", "kubelet.json", "kube-proxy.json", "plan.json"}
    assert read(state.node("n1") / "plan.json")["hierarchies"] == [["memory", "memory"]]
    assert json.loads((state.node("n1") / "kube-proxy.json").read_text())["clusterCIDR"] == "10.244.0.0/16"


def test_a_node_object_has_our_pod_cidr_and_a_capacity() -> None:
    topology = load("lab-flannel")

    made = components.node_object(topology, topology.nodes[2])

    assert made["spec"] == {"podCIDR": "10.244.3.0/24", "podCIDRs": ["10.244.3.0/24"]}
    assert "capacity" in str(made["status"])


@pytest.mark.parametrize(
    ("masquerade", "rules"), [(Masquerade.NONE, 0), (Masquerade.EGRESS, 1), (Masquerade.FLANNEL, 2)]
)
def test_the_cni_masquerades_as_declared(masquerade: Masquerade, rules: int) -> None:
    topology = load("lab-vpc")
    declared = topology.model_copy(update={"cni": topology.cni.model_copy(update={"masquerade": masquerade})})

    assert node.iptables(declared, declared.nodes[0]).count("-j MASQUERADE") == rules


def test_a_node_has_its_own_masquerade_rules_and_hairpin_mode() -> None:
    topology = load_with("lab-flannel", {"nodes.n2.cni.masquerade": False, "nodes.n2.kernel.hairpin": False})
    own, other = topology.node("n2"), topology.node("n1")

    assert "MASQUERADE" not in node.iptables(topology, own)
    assert "MASQUERADE" in node.iptables(topology, other)
    assert [node.cni_config(topology, one)["plugins"][0]["hairpinMode"] for one in (own, other)] == [False, True]
