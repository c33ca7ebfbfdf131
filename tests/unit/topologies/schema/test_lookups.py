"""The lookup tables of the frozen models."""

import copy

import pytest

from topologies.loading.load import load, names
from topologies.schema.topology import Topology


def with_tables() -> Topology:
    topology = load("lab-balancer")
    assert topology.node("n1")
    assert topology.load_balancer.listeners_by_name
    for service in topology.workload.services:
        assert topology.endpoint_nodes(topology.service(service.name)) is not None
    return topology


def test_a_table_is_built_once() -> None:
    topology = with_tables()
    service = topology.workload.services[0]

    assert topology.nodes_by_name is topology.nodes_by_name
    assert topology.backends_of(service) is topology.backends_of(service)
    assert topology.node_port_networks is topology.node_port_networks


@pytest.mark.parametrize("name", names())
def test_a_table_has_what_the_lists_have(name: str) -> None:
    topology = load(name)

    assert list(topology.nodes_by_name.values()) == list(topology.nodes)
    assert list(topology.workload.services_by_name.values()) == list(topology.workload.services)
    assert list(topology.workload.backends_by_name.values()) == list(topology.workload.backends)
    for service in topology.workload.services:
        backends = [one for one in topology.workload.backends if one.app == service.app]
        assert list(topology.backends_of(service)) == backends
        assert topology.endpoint_nodes(service) == {one.node for one in backends if service.is_ready(one)}
        sharing = [one for one in topology.workload.services if one.shares_address_of]
        shared = any(service.name in {one.name, one.shares_address_of} for one in sharing)
        assert (service.name in topology.workload.services_with_shared_address) is shared


def test_a_changed_copy_has_tables_of_its_own() -> None:
    topology = with_tables()
    work = topology.workload

    fewer_nodes = topology.model_copy(update={"nodes": topology.nodes[:1]})
    fewer_services = topology.model_copy(update={"workload": work.model_copy(update={"services": work.services[:1]})})
    fewer_backends = work.model_copy(update={"backends": work.backends[:1]}, deep=True)

    assert list(fewer_nodes.nodes_by_name) == ["n1"]
    with pytest.raises(KeyError):
        fewer_nodes.node(topology.nodes[1].name)
    with pytest.raises(KeyError):
        fewer_services.service(work.services[1].name)
    assert list(fewer_backends.backends_by_name) == [work.backends[0].name]
    assert topology.service(work.services[1].name) == work.services[1]


def test_tables_change_neither_equality_nor_hash_nor_what_is_written() -> None:
    used, fresh = with_tables(), load("lab-balancer")

    assert used == fresh
    assert hash(used) == hash(fresh)
    assert used.model_dump() == fresh.model_dump()
    assert copy.deepcopy(used) == fresh
