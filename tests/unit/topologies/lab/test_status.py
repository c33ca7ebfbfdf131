"""`hairpin lab status`: what each node runs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.unit.support.paths import ROOT
from topologies.cluster_state.node_versions import NodeVersions, merge_nodes
from topologies.lab.__main__ import describe_nodes
from topologies.lab.lab import RunningLab
from topologies.lab.state import State, write
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from pathlib import Path

RECORD = {
    "proxies": {"n1": ["/a/kube-proxy", "1.34.4"], "n2": ["/b/kube-proxy", "1.30.14"]},
    "versions": {"kubelet": "1.34.4", "runtime": "containerd 1.6.20"},
}


def test_the_versions_and_the_mode_of_each_node_are_shown() -> None:
    topology = declared("lab-small", {"kubernetes": "1.34.4", "nodes.n2.proxy.mode": "nftables"})

    assert describe_nodes(topology, RECORD) == {
        "n1": "kube-proxy 1.34.4 iptables, kubelet 1.34.4, containerd 1.6.20",
        "n2": "kube-proxy 1.30.14 nftables, kubelet 1.34.4, containerd 1.6.20",
    }


def test_the_command_of_another_data_plane_is_shown() -> None:
    topology = declared("lab-small", {"proxy": {"kind": "other"}, "lab": {"data_plane": ["./serve", "-v"]}})
    found = describe_nodes(topology, {**RECORD, "proxies": {}})

    assert found == dict.fromkeys(("n1", "n2"), "./serve -v, kubelet 1.34.4, containerd 1.6.20")


def test_a_lab_of_an_earlier_hairpin_has_no_versions() -> None:
    assert describe_nodes(declared("lab-small", {}), {"binaries": "/x"}) == {}


def test_a_run_knows_the_kube_proxy_of_a_node_that_it_has_no_client_on(tmp_path: Path) -> None:
    state = State(tmp_path)
    topology = declared("lab-small", {"kubernetes": "1.34.4", "nodes.n2.proxy.mode": "nftables"})
    state.topology.write_text(topology.model_dump_json())
    write(state.record, RECORD)
    probed = {"n1": NodeVersions(kubelet="v1.34.4", kube_proxy="v1.34.4", mode="iptables")}

    found = merge_nodes(RunningLab("lab-small", tmp_path).nodes, probed)

    assert found["n1"] == probed["n1"]
    assert found["n2"] == NodeVersions(kube_proxy="v1.30.14", mode="nftables")


def test_output_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    """As with `| head -1`."""
    read, write_ = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "topologies.lab", "status"]
    env = {**os.environ, "HAIRPIN_CACHE": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=write_, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_)

    assert (done.returncode, done.stderr) == (141, "")
