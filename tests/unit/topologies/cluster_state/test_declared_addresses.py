"""The addresses that a fresh cluster of a topology would have."""

import pytest

from bench.scale import with_nodes
from probes.plan.cell import Cell
from probes.plan.plan import plan
from tests.unit.support.operations import count_operations
from topologies.cluster_state.shortfalls import shortfalls
from topologies.cluster_state.snapshot import Snapshot, declared
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.loading.load import load
from topologies.schema.pod_addresses import NoRoomError, assign_pod_addresses, pod_addresses
from topologies.schema.topology import Backend, Topology

LINEAR = 1.3  # times the growth of the input: what each call costs once, and sizes of dicts


def with_services(count: int) -> Topology:
    topology = load("lab-flannel")
    work = topology.workload
    services = [one.model_copy(update={"name": f"{one.name}-{copy}"}) for copy in range(count) for one in work.services]
    pool = topology.load_balancer.model_copy(update={"addresses": IPNetwork("100.64.0.0/16")})
    return topology.model_copy(
        update={"load_balancer": pool, "workload": work.model_copy(update={"services": tuple(services)})}
    )


def with_pods(count: int) -> Topology:
    """Half of the nodes declare no range, so that their pods get addresses of the cluster CIDR outside the others'."""
    topology = with_nodes(load("lab-flannel"), 2 * count)
    nodes = [node.model_copy(update={"pod_cidr": None}) for node in topology.nodes[:count]]
    backends = tuple(Backend(name=f"b{number}", app="web", node=f"n{number + 1}") for number in range(count))
    cni = topology.cni.model_copy(update={"pod_cidr": IPNetwork("10.0.0.0/8")})
    work = topology.workload.model_copy(update={"backends": backends, "vantages": (), "services": ()})
    return topology.model_copy(update={"nodes": (*nodes, *topology.nodes[count:]), "cni": cni, "workload": work})


def test_a_declared_snapshot_costs_as_much_as_its_services() -> None:
    few, many = with_services(2), with_services(8)
    declared(few)

    assert count_operations(lambda: declared(many)) < 4 * LINEAR * count_operations(lambda: declared(few))


def test_pod_addresses_cost_as_much_as_their_pods() -> None:
    few, many = with_pods(8), with_pods(32)

    assert count_operations(lambda: pod_addresses(many)) < 4 * LINEAR * count_operations(lambda: pod_addresses(few))


def test_shortfalls_of_a_broken_cluster_cost_as_much_as_its_cells() -> None:
    def ask(topology: Topology) -> None:
        found = shortfalls(topology, Snapshot(pods={}, services={}))
        for cell in cells(topology):
            assert found.reason(cell.vantage, cell.frontend)

    few, many = with_services(1), with_services(4)
    ask(few)

    assert count_operations(lambda: ask(many)) < 4 * LINEAR * count_operations(lambda: ask(few))


def cells(topology: Topology) -> list[Cell]:
    return list(plan(topology).cells)


def test_pods_of_one_range_get_addresses_in_order_and_around_those_of_others() -> None:
    topology = load("lab-flannel")
    nodes = [node.model_copy(update={"pod_cidr": None}) for node in topology.nodes[:1]]
    nodes += [
        node.model_copy(update={"pod_cidr": IPNetwork(f"10.9.0.{start}/{length}")})
        for node, start, length in zip(topology.nodes[1:], (12, 16, 24), (30, 30, 30), strict=True)
    ]
    cni = topology.cni.model_copy(update={"pod_cidr": IPNetwork("10.9.0.0/27")})
    small = topology.model_copy(update={"nodes": tuple(nodes), "cni": cni})
    pods = [(f"p{number}", nodes[0]) for number in range(16)]
    last = [10, 11, 20, 21, 22, 23, 28, 29, 30, 2, 3, 4, 5, 6, 7, 8]

    given = assign_pod_addresses(small, pods)

    assert list(given.values()) == [IPAddress("10.9.0.0") + number for number in last]
    with pytest.raises(NoRoomError, match=r"10\.9\.0\.0/27 has no address left for pod p17"):
        assign_pod_addresses(small, [*pods, ("p16", nodes[0]), ("p17", nodes[0])])
