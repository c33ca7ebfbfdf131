"""What the lab's load balancer configures on its host, and what it writes to Services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tests.unit.topologies.lab.test_load_balancer_config import service
from topologies.lab.load_balancer import controller
from topologies.lab.load_balancer.controller import Controller
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    import pytest

    from topologies.lab.control_plane.api import Api


class Recorded:
    """An API with one list of Services; it records what is merged."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.items = list(services)
        self.merged: dict[str, Any] = {}

    def get(self, _: str) -> dict[str, Any]:
        return {"items": self.items}

    def merge(self, path: str, change: dict[str, Any]) -> None:
        self.merged[path] = change


def test_external_ips_are_routed_where_nodes_own_the_balanced_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    monkeypatch.setattr(controller, "run", lambda argv, **_: commands.append(" ".join(argv)))
    topology = declared("lab-servicelb", {"external_ips": ["198.18.101.1", "198.18.101.2"]})
    api = Recorded(service("web"), service("shown", type="ClusterIP", externalIPs=["198.18.101.1"]))

    Controller(topology, cast("Api", api)).sync()

    assert f"ip route replace 198.18.101.1/32 nexthop via {topology.nodes[0].address}" in commands
    status = api.merged["/api/v1/namespaces/default/services/web/status"]["status"]
    assert status["loadBalancer"]["ingress"] == [{"ip": str(node.address)} for node in topology.nodes]
    assert not any(path.startswith("/api/v1/namespaces/default/services/shown") for path in api.merged)


def test_packets_with_the_mark_of_a_node_are_routed_to_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    monkeypatch.setattr(controller, "run", lambda argv, **_: commands.append(" ".join(argv)))
    marking = Controller(declared("lab-pass-through", {}), cast("Api", Recorded()))
    marking.sync()
    marking.sync()

    for number in range(4):
        added = f"ip rule add fwmark {101 + number} lookup {101 + number}"
        routed = f"ip route replace default via 198.18.1.1{number + 1} table {101 + number}"
        assert [one for one in commands if one in {added, routed}] == [routed, added]

    commands.clear()
    Controller(declared("lab-flannel", {"load_balancer.session_affinity": "client-ip"}), cast("Api", Recorded())).sync()
    assert not [one for one in commands if "fwmark" in one]
