"""What is declared and not there spoils exactly the cells that need it, whatever the snapshot says instead."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.cluster_state.declared_workload import declared_workload
from topologies.cluster_state.shortfalls import changes, residents, shortfalls
from topologies.cluster_state.snapshot import PodStatus, declared
from topologies.loading.load import load, names
from topologies.schema.enums import EndpointState, ServiceType, TrafficPolicy

if TYPE_CHECKING:
    from typing import Any

    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

TOPOLOGY = load("lab-balancer")
SMALL = load("lab-small")


def live(topology: Topology = SMALL) -> Snapshot:
    """A snapshot as an API gives it: with a status for every pod."""
    states = {one.name: one.state for one in topology.workload.backends}
    statuses = {
        name: PodStatus(uid=name, node=node, state=states.get(name, EndpointState.READY))
        for _, name, node in residents(topology)
    }
    return replace(declared(topology), statuses=statuses)


def with_status(name: str, **changed: Any) -> Snapshot:
    snapshot = live()
    statuses = {**snapshot.statuses, name: replace(snapshot.statuses[name], **changed)}
    return replace(snapshot, statuses=statuses)


def with_service(name: str, topology: Topology = SMALL, **changed: Any) -> Snapshot:
    snapshot = live(topology)
    return replace(snapshot, services={**snapshot.services, name: replace(snapshot.services[name], **changed)})


def without_endpoint(name: str, backend: str) -> Snapshot:
    left = tuple(one for one in live().services[name].endpoints if one.backend != backend)
    return with_service(name, endpoints=left)


def spoiled(snapshot: Snapshot, topology: Topology = SMALL) -> set[str]:
    found = shortfalls(topology, snapshot)
    return {cell.id for cell in plan(topology).cells if found.reason(cell.vantage, cell.frontend)}


def cells(*parts: str, topology: Topology = SMALL, but: str = "?") -> set[str]:
    """The ids with any of these parts."""
    return {cell.id for cell in plan(topology).cells if any(p in cell.id for p in parts) and but not in cell.id}


@pytest.mark.parametrize("name", names())
def test_nothing_lacks_of_a_cluster_that_is_as_declared(name: str) -> None:
    topology = load(name)

    assert shortfalls(topology, declared(topology)).found == ()
    assert shortfalls(topology, live(topology)).found == ()
    assert declared_workload(topology, declared(topology)) == declared(topology)


def test_a_backend_that_is_not_ready_spoils_its_services_and_itself_and_nothing_else() -> None:
    crashed = with_status("host-a", not_ready="CrashLoopBackOff: bind: address already in use")

    # at the load balancer's undeclared port no backend answers
    assert spoiled(crashed) == cells("-to-host", but="loadbalancer.undeclared")
    assert shortfalls(SMALL, crashed).backends == (
        "declared backend host-a is not Ready: CrashLoopBackOff: bind: address already in use",
    )


def test_one_backend_of_two_spoils_the_services_and_its_own_baseline_alone() -> None:
    topology = load("lab-flannel")
    statuses = {name: PodStatus(node=node) for _, name, node in residents(topology)}
    statuses["web-b"] = PodStatus(node="n2", not_ready="Pending")
    found = spoiled(replace(declared(topology), statuses=statuses), topology)

    assert not found & cells("endpoint.web-a", topology=topology)
    assert cells("endpoint.web-b", "-to-web.clusterip", topology=topology) <= found
    assert not found & cells("-to-host", "-to-none", topology=topology)


def test_a_vantage_that_is_not_there_spoils_its_own_cells() -> None:
    assert spoiled(with_status("pod-n2", not_ready="Pending: no kubelet has taken it")) == cells("pod-n2-to-")
    assert spoiled(with_status("pod-n2", node="n1")) == cells("pod-n2-to-")


def test_a_backend_that_asks_and_is_not_there_spoils_both_ways() -> None:
    found = spoiled(with_status("web-a", not_ready="Running"))

    assert cells("self-web-a-to-") <= found
    assert cells("-to-web.clusterip") <= found


@pytest.mark.parametrize(
    ("name", "changed", "says"),
    [
        (
            "web-np-local",
            {"external_traffic_policy": TrafficPolicy.CLUSTER},
            "externalTrafficPolicy Cluster in the API",
        ),
        ("web", {"internal_traffic_policy": TrafficPolicy.LOCAL}, "internalTrafficPolicy Local in the API"),
        ("web-affinity", {"sticky": False}, "sessionAffinity None in the API, declared ClientIP"),
        ("web-xip", {"external_ips": ()}, "externalIPs none in the API, declared 198.18.101.1"),
        ("web-lb", {"load_balancer_source_ranges": (IPv4Network("192.0.2.0/24"),)}, "loadBalancerSourceRanges"),
        ("web-lb", {"type": ServiceType.NODE_PORT}, "type NodePort in the API"),
        ("web", {"port": 81}, "port 81 in the API, declared 80"),
        ("web", {"cluster_ip": IPv4Address("172.20.0.9")}, "outside the declared service_cidr 10.96.0.0/16"),
        ("web-np", {"node_port": None}, "has no nodePort"),
        ("web-lb", {"load_balancer_ip_mode": "Proxy"}, "ipMode Proxy in status.loadBalancer, declared VIP"),
        ("web-lb", {"load_balancer_ip": None, "load_balancer_hostname": "x.example"}, "the hostname x.example"),
        ("web", {"other_endpoints": ("10.244.9.9",)}, "none of the declared backends: 10.244.9.9"),
    ],
)
def test_a_service_that_the_api_has_otherwise_spoils_all_its_frontends(
    name: str, changed: dict[str, Any], says: str
) -> None:
    snapshot = with_service(name, **changed)

    assert spoiled(snapshot) == cells(f"-to-{name}.", but=".endpoint.")
    assert says in "; ".join(shortfalls(SMALL, snapshot).reasons)
    assert not shortfalls(SMALL, snapshot).unsettled  # no waiting mends it


@pytest.mark.parametrize(
    ("changed", "says", "waits"),
    [
        ({"load_balancer_ip": None}, "has no IPv4 address in status.loadBalancer", True),
        ({"load_balancer_ip": IPv4Address("192.0.2.7")}, "outside the declared load_balancer.addresses", False),
        ({"health_check_node_port": None}, "has no healthCheckNodePort", False),
    ],
)
def test_a_balancer_that_is_not_there_spoils_its_own_frontends(changed: dict[str, Any], says: str, waits: bool) -> None:
    snapshot = with_service("web-lb-local", **changed)

    assert spoiled(snapshot) == cells("-to-web-lb-local.loadbalancer")
    assert says in shortfalls(SMALL, snapshot).reasons[0]
    assert bool(shortfalls(SMALL, snapshot).unsettled) is waits


def test_an_endpoint_that_its_controller_has_not_made_is_waited_for() -> None:
    snapshot = without_endpoint("web-np", "web-a")

    assert spoiled(snapshot) == cells("-to-web-np.", but=".endpoint.")
    assert shortfalls(SMALL, snapshot).unsettled == "Service web-np has no ready endpoint for backend web-a"


def test_an_endpoint_of_a_pod_that_is_not_ready_is_not_waited_for() -> None:
    crashed = with_status("web-a", not_ready="CrashLoopBackOff")
    gone = without_endpoint("web-np", "web-a")

    assert not shortfalls(SMALL, replace(crashed, services=gone.services)).unsettled


@pytest.mark.parametrize(
    ("changed", "says"), [({"port": 8081}, "port 8081, want 8080"), ({"node": "n2"}, "node n2, want n1")]
)
def test_an_endpoint_elsewhere_is_none(changed: dict[str, Any], says: str) -> None:
    entry = live().services["web"].endpoints[0]

    assert says in shortfalls(SMALL, with_service("web", endpoints=(replace(entry, **changed),))).reasons[0]


def test_a_backend_of_another_app_is_a_stranger() -> None:
    entry = live().services["host"].endpoints[0]
    snapshot = with_service("web", endpoints=(*live().services["web"].endpoints, entry))

    assert "none of the declared backends: host-a" in shortfalls(SMALL, snapshot).reasons[0]


def test_a_listener_leads_to_the_backends_of_another_service() -> None:
    statuses = {name: PodStatus(node=node) for _, name, node in residents(TOPOLOGY)}
    listener = next(one for one in TOPOLOGY.load_balancer.listeners if one.leads_to)
    backend = TOPOLOGY.backends_of(TOPOLOGY.service(listener.leads_to or ""))[0]
    statuses[backend.name] = replace(statuses[backend.name], not_ready="Pending")
    found = spoiled(replace(declared(TOPOLOGY), statuses=statuses), TOPOLOGY)

    assert cells(f"loadbalancer.{listener.name}-", topology=TOPOLOGY) <= found


def test_an_expectation_is_made_of_what_is_declared_and_not_of_what_the_api_has() -> None:
    """The live set of endpoints was empty: the oracle then expected refusals, and a broken cluster passed."""
    broken = with_service("host-np", endpoints=(), external_traffic_policy=TrafficPolicy.LOCAL, sticky=True)
    cell = next(cell for cell in plan(SMALL).cells if cell.id == "pod-n2-to-host-np.nodeport.n2-v4-tcp")

    assert {str(outcome) for outcome in expect(SMALL, broken, cell).outcomes} != {"ok"}
    assert expect(SMALL, declared_workload(SMALL, broken), cell) == expect(SMALL, declared(SMALL), cell)


def test_a_backend_without_an_address_has_no_endpoint() -> None:
    pods = {name: address for name, address in live().pods.items() if name != "host-a"}
    state = replace(live().services["host"], endpoints=())
    bare = replace(live(), pods=pods, services={**live().services, "host": state})

    assert declared_workload(SMALL, bare).services["host"].endpoints == ()


def test_false_green() -> None:
    """Every Service of a crashed backend refuses, and that is what the snapshot says: inconclusive, not green."""
    cells_ = plan(SMALL).cells
    crashed = with_status("host-a", not_ready="CrashLoopBackOff")
    services = {
        name: replace(state, endpoints=()) if name.startswith("host") else state
        for name, state in crashed.services.items()
    }
    world = replace(crashed, services=services)
    answers = session.simulate(SMALL, cells_, lambda cell, _: expect(SMALL, declared(SMALL), cell), declared(SMALL))
    refusing = {
        cell.id: session.simulate(SMALL, [cell], lambda one, given: expect(SMALL, given, one), world).observations
        for cell in cells_
        if cell.frontend.service.startswith("host") and cell.frontend.backend is None
    }
    seen = {**answers.observations, **{cell: found[cell] for cell, found in refusing.items()}}
    judge = Judge.over(SMALL, replace(answers, snapshot=world, observations=seen), cells_)
    results = {cell.id: judge(cell).result for cell in cells_}

    assert {cell for cell, result in results.items() if result is not Result.PASS} == spoiled(world)
    assert {results[cell] for cell in spoiled(world)} == {Result.INCONCLUSIVE}


BEFORE = live()


@pytest.mark.parametrize(
    ("after", "lost", "says"),
    [
        (with_status("web-a", restarts=1), ("-to-web", "self-web-a"), "web-a restarted (0 restarts before, 1 after)"),
        (with_status("web-a", uid="other"), ("-to-web", "self-web-a"), "web-a was replaced by another pod"),
        (with_status("pod-n2", not_ready="Evicted"), ("pod-n2-to-",), "pod-n2 is not Ready any more: Evicted"),
        (
            replace(BEFORE, pods={**BEFORE.pods, "pod-n2": IPv4Address("10.244.2.99")}),
            ("pod-n2-to-",),
            "pod-n2 had address 10.244.2.10 before, 10.244.2.99 after",
        ),
        (without_endpoint("web-np", "web-a"), ("-to-web-np.",), "web-np had endpoints web-a 10.244.1.10 before, none"),
        (with_service("web-np", node_port=31999), ("-to-web-np.",), "node_port was 3"),
    ],
)
def test_what_changes_while_cells_are_asked_spoils_them(after: Snapshot, lost: tuple[str, ...], says: str) -> None:
    found = changes(SMALL, BEFORE, after)
    gone = {cell.id for cell in plan(SMALL).cells if found.reason(cell.vantage, cell.frontend)}

    assert gone
    assert gone <= cells(*lost)
    assert says in found.reasons[0]
    assert gone >= cells(*lost, but="endpoint") - cells("loadbalancer.undeclared")


def test_what_was_not_there_before_does_not_count_as_changed() -> None:
    before = with_status("host-a", not_ready="CrashLoopBackOff", restarts=1)

    assert not changes(SMALL, before, with_status("host-a", restarts=2)).found
    assert not changes(SMALL, BEFORE, BEFORE).found
    assert not changes(SMALL, declared(SMALL), declared(SMALL)).found


def test_a_policy_that_somebody_flips_while_cells_are_asked_stays_a_failure() -> None:
    """It is what the run is there to find; only what the workload stands on makes cells inconclusive."""
    after = with_service("web-np-local", external_traffic_policy=TrafficPolicy.CLUSTER)

    assert not changes(SMALL, BEFORE, after).found


def test_a_service_that_goes_away_is_told() -> None:
    gone = {name: state for name, state in BEFORE.services.items() if name != "web"}

    assert "Service web is gone" in changes(SMALL, BEFORE, replace(BEFORE, services=gone)).reasons[0]
    assert shortfalls(SMALL, replace(BEFORE, services=gone)).reasons == ("declared Service web is not in the cluster",)
