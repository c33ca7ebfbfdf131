from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from topologies.lab.network import eni
from topologies.lab.worker import node
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pod_has_one_address_and_one_static_neighbour() -> None:
    lines = eni.pod_side("10.244.1.2/24", "eth0", eni.GATEWAY, "02:00:00:00:00:01").splitlines()

    assert lines[0] == "address add 10.244.1.2/32 dev eth0"
    assert "neighbour replace 169.254.1.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent" in lines
    assert lines[-1] == "route add default via 169.254.1.1 dev eth0 src 10.244.1.2"


def test_the_hosts_side_is_named_by_the_container_and_fits_a_device_name() -> None:
    assert eni.host_side("a") == eni.host_side("a") != eni.host_side("b")
    assert len(eni.host_side("a" * 64)) <= 15


def test_the_answer_names_the_pods_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNI_NETNS", "/run/netns/x")

    told = eni.result("0.3.1", "10.244.1.2", "eth0", "veth1")

    assert told["interfaces"][told["ips"][0]["interface"]] == {"name": "eth0", "sandbox": "/run/netns/x"}


@pytest.mark.parametrize(("command", "status", "told"), [("VERSION", 0, "supportedVersions"), ("DANCE", 1, "code")])
def test_it_follows_the_plugins_protocol(command: str, status: int, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topologies.lab.network.eni"],
        env={"CNI_COMMAND": command},
        input="{}",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert told in json.loads(done.stdout)


def test_the_program_is_ours_beside_the_distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "host-local").touch()
    monkeypatch.setattr(node, "PLUGINS", tmp_path / "debian")

    node.write_plugins(tmp_path / "own")

    assert (tmp_path / "own" / "host-local").resolve() == tmp_path / "debian" / "host-local"
    assert (tmp_path / "own" / node.OWN_PLUGIN).stat().st_mode & 0o111
    assert node.cni_config(load("lab-eni"), load("lab-eni").nodes[0])["plugins"][0]["type"] == node.OWN_PLUGIN
