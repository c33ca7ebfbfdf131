"""Packets to the load balancer: kinds, target pools, listeners, shared addresses, and the share that loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.predict import expect
from probes.plan.cell import Cell
from tests.unit.probes.oracle.variants import CARDS, changed
from topologies.cluster_state.snapshot import declared
from topologies.frontends import At, Frontend, FrontendKind
from topologies.schema.enums import TrafficPolicy
from topologies.schema.topology import Vantage

if TYPE_CHECKING:
    from topologies.schema.topology import Topology

LB = FrontendKind.LOAD_BALANCER
KEEPS: dict[str, Any] = {"status": "hostname", "masquerade_inside": False}


def results(topology: Topology, vantage: str, frontend: Frontend) -> dict[str, float]:
    """Return each result with its share: `web-a from cni0 of n1`, `timeout`."""
    snapshot = declared(topology)
    client = next(one for one in topology.workload.vantages if one.name == vantage)
    names = AddressNames.of(topology, snapshot)
    endings: dict[str, float] = {}
    for path in expect(topology, snapshot, Cell(client, frontend)).paths:
        words = [names.describe(one).partition("(")[2].rstrip(")") for one in path.sources]
        ending = f"{path.backend} from {words[0]}" if path.outcome is Outcome.OK else path.outcome.value
        endings[ending] = endings.get(ending, 0) + path.share
    return endings


def routed(balancer: dict[str, Any], **more: Any) -> Topology:
    return changed("lab-routed", load_balancer=balancer, **more)


def test_a_kept_client_on_the_node_that_is_picked_gets_nothing_back() -> None:
    """Use four nodes in turn with externalTrafficPolicy: Cluster. The share of n1 is a quarter."""
    endings = results(routed(KEEPS), "host-n1", Frontend("web-lb", LB))
    assert endings.pop("timeout") == pytest.approx(1 / 4)
    assert sum(endings.values()) == pytest.approx(3 / 4)


def test_under_local_the_share_that_loops_is_that_of_the_nodes_with_an_endpoint() -> None:
    topology = routed(KEEPS)
    assert results(topology, "host-n1", Frontend("web-lb-local", LB)) == {
        "timeout": 0.5,  # n1 itself
        "web-b from primary of n1": 0.5,
    }
    assert results(topology, "host-n3", Frontend("web-lb-local", LB)) == {
        "web-a from primary of n3": 0.5,
        "web-b from primary of n3": 0.5,
    }


def with_client(topology: Topology, node: str) -> Topology:
    """Use a host-network process of that node as client."""
    client = Vantage.model_validate({"name": f"host-{node}", "kind": "node", "node": node})
    work = topology.workload.model_copy(update={"vantages": (*topology.workload.vantages, client)})
    return topology.model_copy(update={"workload": work})


def test_the_node_of_the_only_backend_loops_always() -> None:
    """Use CCE pass-through with externalTrafficPolicy: Local, from the node of the only backend."""
    topology = with_client(routed(KEEPS), "n2")
    assert results(topology, "host-n2", Frontend("host-lb-local", LB)) == {"timeout": 1.0}
    assert results(topology, "pod-n1", Frontend("host-lb-local", LB)) == {"host-a from pod-n1": 1.0}


@pytest.mark.parametrize("masquerade", ["none", "egress"])
def test_excluding_the_source_helps_only_a_client_that_has_its_nodes_address(masquerade: str) -> None:
    """Use TKE: a pod whose pod IP is preserved loops, a masqueraded one does not."""
    topology = changed(
        "lab-routed",
        load_balancer={**KEEPS, "excludes_source": True},
        cni={"kind": "vpc-routed", "masquerade": masquerade},
    )
    endings = results(topology, "pod-n1", Frontend("web-lb-local", LB))
    assert ("timeout" in endings) is (masquerade == "none")


def test_excluding_the_only_backend_leaves_nobody() -> None:
    topology = with_client(routed({**KEEPS, "excludes_source": True}), "n2")
    assert results(topology, "host-n2", Frontend("host-lb-local", LB)) == {"refused": 1.0}


def test_full_nat_gives_everybody_the_balancers_address_and_nobody_loops() -> None:
    topology = routed({"status": "hostname", "kind": "full-nat"})
    for vantage in ("host-n1", "pod-n1", "ext-e1"):
        assert results(topology, vantage, Frontend("web-lb-local", LB)) == {
            "web-a from load balancer": 0.5,
            "web-b from load balancer": 0.5,
        }


def test_a_balancer_that_registers_all_nodes_loses_the_share_without_endpoint() -> None:
    topology = routed({"registers": "all"}, kubernetes="1.25.1")
    endings = results(topology, "ext-e1", Frontend("web-lb-local", LB))
    assert endings == {"web-a from e1": 0.25, "web-b from e1": 0.25, "timeout": 0.5}


@pytest.mark.parametrize(("status", "version"), [("hostname", "1.20.2"), ("proxy", "1.30.3")])
@pytest.mark.parametrize("mode", ["iptables", "ipvs"])
def test_an_address_that_is_no_vip_leads_to_the_balancer(status: str, version: str, mode: str) -> None:
    topology = routed({"status": status}, kubernetes=version, proxy={"mode": mode})
    assert results(topology, "host-n1", Frontend("web-lb-local", LB)) == {
        "web-a from load balancer": 0.5,
        "web-b from load balancer": 0.5,
    }


def test_ip_mode_proxy_is_not_honoured_before_1_30() -> None:
    topology = routed({"status": "proxy"}, kubernetes="1.29.1", proxy={"mode": "ipvs"})
    assert results(topology, "host-n1", Frontend("web-lb-local", LB)) == {"web-a from LB IP of web-lb-local": 1.0}


def ending(endings: dict[str, float]) -> str:
    """Return the only result, or `ok` if a backend answered each time."""
    outcomes = {"ok" if " from " in one else one for one in endings}
    return " or ".join(sorted(outcomes))


@pytest.mark.parametrize(
    ("mode", "versions", "kubelet", "pod", "host"),
    [
        ("iptables", (20, 24), True, "ok", "timeout"),  # the pod's packet goes to the real load balancer
        ("iptables", (20, 24), False, "ok", "ok"),
        ("iptables", (25, 36), False, "timeout", "timeout"),
        ("nftables", (29, 29), True, "ok", "timeout"),
        ("nftables", (30, 36), True, "timeout", "timeout"),
        ("ipvs", (20, 24), True, "timeout", "timeout"),
        ("ipvs", (20, 24), False, "ok", "ok"),
        ("ipvs", (25, 28), True, "timeout", "ok"),
        ("ipvs", (29, 36), True, "timeout", "timeout"),
    ],
)
def test_source_ranges_are_kept_on_the_clients_own_node(
    mode: str, versions: tuple[int, int], kubelet: bool, pod: str, host: str
) -> None:
    """Admit n1 and its pods, not n3 and its pods. From outside, the load balancer's translation bypasses the rules."""
    frontend = Frontend("web-lb-fenced", LB)
    for minor in range(versions[0], versions[1] + 1):
        topology = changed(
            "lab-routed", kubernetes=f"1.{minor}.0", proxy={"mode": mode}, kernel={"kubelet_rules": kubelet}
        )
        found = {
            who: ending(results(topology, who, frontend))
            for who in ("pod-n1", "host-n1", "pod-n3", "host-n3", "ext-e1")
        }
        assert found == {"pod-n1": "ok", "host-n1": "ok", "pod-n3": pod, "host-n3": host, "ext-e1": "ok"}


@pytest.mark.parametrize(("version", "host"), [("1.20.2", "refused"), ("1.23.9", "refused"), ("1.24.3", "timeout")])
def test_a_node_process_meets_an_empty_virtual_server_before_the_drop(version: str, host: str) -> None:
    """Observed in lab-ipvs-fences: IPVS' hook in OUTPUT precedes the filter table. From 1.24 on no server is empty."""
    topology = changed("lab-routed", kubernetes=version, proxy={"mode": "ipvs"})
    local = topology.service("web-lb-fenced").model_copy(update={"external_traffic_policy": TrafficPolicy.LOCAL})
    services = tuple(local if one.name == local.name else one for one in topology.workload.services)
    topology = topology.model_copy(update={"workload": topology.workload.model_copy(update={"services": services})})

    found = {who: ending(results(topology, who, Frontend(local.name, LB))) for who in ("pod-n3", "host-n3")}

    assert found == {"pod-n3": "timeout", "host-n3": host}


LISTENERS = [
    {"name": "ingress", "port": 443},
    {"name": "range", "port": 8081, "until": 8085, "leads_to": "web-lb"},
    {"name": "hidden", "port": 8443, "service": "host-lb"},
]


@pytest.mark.parametrize(
    ("mode", "version", "listener", "inside", "outside"),
    [
        ("iptables", "1.20.2", "ingress", {"ingress"}, {"ingress"}),
        ("ipvs", "1.25.1", "ingress", {"refused"}, {"ingress"}),
        ("ipvs", "1.26.0", "ingress", {"refused"}, {"ingress"}),
        ("iptables", "1.20.2", "range", {"web-a", "web-b"}, {"web-a", "web-b"}),
        ("ipvs", "1.24.3", "range", {"refused"}, {"web-a", "web-b"}),
        ("nftables", "1.31.0", "range", {"web-a", "web-b"}, {"web-a", "web-b"}),
    ],
)
def test_a_listener_of_the_balancers_own_is_captured_where_the_address_is_bound(
    mode: str, version: str, listener: str, inside: set[str], outside: set[str]
) -> None:
    """Vendor claims ack 000-A, cce 003-2 and 003-3: another port, Ingress or cluster's Service on one address."""
    topology = routed({"listeners": LISTENERS}, kubernetes=version, proxy={"mode": mode})
    frontend = Frontend("web-lb", LB, declared=False, listener=listener)
    for vantage, wanted in (("host-n1", inside), ("pod-n3", inside), ("ext-e1", outside)):
        assert {ending.partition(" from ")[0] for ending in results(topology, vantage, frontend)} == wanted


def test_a_listener_of_another_address_is_not_heard() -> None:
    topology = routed({"listeners": LISTENERS, "listens": False})
    frontend = Frontend("web-lb", LB, declared=False, listener="hidden")
    assert results(topology, "ext-e1", frontend) == {"refused": 1.0}


def test_services_that_share_an_address_are_told_apart_by_port() -> None:
    topology = changed("lab-routed", proxy={"mode": "ipvs"})
    shared = topology.service("host-lb").model_copy(update={"shares_address_of": "web-lb", "port": 8090})
    services = tuple(shared if one.name == "host-lb" else one for one in topology.workload.services)
    topology = topology.model_copy(update={"workload": topology.workload.model_copy(update={"services": services})})
    states = declared(topology).services
    assert states["host-lb"].balanced_at == states["web-lb"].balanced_at
    assert results(topology, "pod-n3", Frontend("host-lb", LB)) == {"host-a from primary of n3": 1.0}


@pytest.mark.parametrize(
    ("vantage", "node", "wanted"),
    [
        ("ext-e1", "n1", {"web-a from e1"}),
        ("ext-e1", "n3", {"timeout"}),
        ("host-n1", "n1", {"web-a from public of n1"}),
        ("host-n3", "n3", {"timeout"}),
        ("pod-n1", "n1", {"web-a from public of n1"}),
        ("node-last", "n1", {"timeout"}),  # n4 has no public address: the reply bypasses the 1:1 NAT
    ],
)
def test_a_public_address_is_asked_as_from_outside(vantage: str, node: str, wanted: set[str]) -> None:
    """Vendor claims of cce: a node's EIP with externalTrafficPolicy: Local, the client's own node included."""
    topology = changed("lab-flannel", nodes=CARDS, kubernetes="1.25.1")
    frontend = Frontend("web-np-local", FrontendKind.NODE_PORT, node=node, at=At.PUBLIC)
    assert set(results(topology, vantage, frontend)) == wanted


@pytest.mark.parametrize(
    ("mode", "vantage", "strict", "wanted"),
    [
        ("iptables", "host-n3", 0, {"web-a from secondary of n3"}),
        ("iptables", "host-n3", 1, {"web-a from secondary of n3"}),
        ("iptables", "ext-e1", 0, {"web-a from e1"}),
        ("iptables", "ext-e1", 1, {"timeout"}),
        ("iptables", "node-last", 0, {"web-a from primary of n4"}),
        ("ipvs", "pod-n3", 0, {"web-a from secondary of n3"}),
        ("nftables", "host-n3", 0, {"refused"}),
    ],
)
def test_a_second_card_has_node_ports_but_in_nftables_mode(
    mode: str, vantage: str, strict: int, wanted: set[str]
) -> None:
    topology = changed(
        "lab-flannel", nodes=CARDS, kubernetes="1.31.0", proxy={"mode": mode}, kernel={"rp_filter": strict}
    )
    frontend = Frontend("web-np-local", FrontendKind.NODE_PORT, node="n1", at=At.SECONDARY)
    assert set(results(topology, vantage, frontend)) == wanted
