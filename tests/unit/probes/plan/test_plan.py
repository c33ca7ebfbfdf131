from collections import Counter

import pytest

from probes.observation import BURST
from probes.plan.plan import plan, sample_size
from topologies.loading.load import load, names


@pytest.mark.parametrize("name", names())
def test_ids_are_unique_and_the_order_is_the_same_twice(name: str) -> None:
    first, second = plan(load(name)), plan(load(name))
    ids = [cell.id for cell in first.cells]

    assert len(set(ids)) == len(ids)
    assert first == second


def test_the_standard_matrix_has_more_than_300_cells() -> None:
    assert len(plan(load("lab-flannel")).cells) >= 300


def test_every_omission_has_its_reason() -> None:
    left = plan(load("lab-flannel")).omissions

    assert left
    assert all(omission.reason for omission in left)


def test_a_node_port_is_asked_on_own_node_and_on_one_of_each_class() -> None:
    asked = {
        cell.frontend.label
        for cell in plan(load("lab-flannel")).cells
        if cell.vantage.name == "pod-n3" and cell.frontend.service == "web-np-local"
    }

    assert {"nodeport.n3", "nodeport.n1", "nodeport.n4"} <= asked
    assert "nodeport.n2" not in asked


@pytest.mark.parametrize(("backends", "size"), [(0, 3), (1, 3), (2, 11), (3, 20)])
def test_the_sample_shows_every_backend_with_probability_999(backends: int, size: int) -> None:
    assert sample_size(backends) == size


def test_a_balancer_nobody_has_is_not_asked() -> None:
    kinds = {cell.frontend.kind for cell in plan(load("example-kubeadm")).cells}

    assert "loadbalancer" not in kinds


def test_refusals_that_would_not_fit_into_a_pods_burst_are_left_out_and_say_so() -> None:
    planned = plan(load("lab-flannel"))
    left = {omission.cell: omission.reason for omission in planned.omissions}
    asked = {cell.id for cell in planned.cells}

    assert "a kernel sends a pod 6 refusals" in left["pod-n3-to-none-lb.nodeport.n3-cni0-v4-tcp"]
    assert "host-n3-to-none-lb.nodeport.n3-cni0-v4-tcp" in asked  # refused on loopback, which no kernel limits
    assert "pod-n3-to-web-lb.nodeport.n3-cni0-v4-tcp" in asked


def test_no_client_is_owed_more_refusals_than_one_burst() -> None:
    topology = load("lab-flannel")
    empty = {service.name for service in topology.workload.services if not topology.backends_of(service)}
    owed = Counter(
        (cell.vantage.name, cell.place)
        for cell in plan(topology).cells
        if cell.frontend.service in empty and cell.frontend.declared and not cell.vantage.on_host_network
    )

    assert max(owed.values()) <= BURST


def test_cells_that_share_a_count_of_icmp_errors() -> None:
    places = {cell.id: cell.place for cell in plan(load("lab-flannel")).cells}

    assert places["pod-n3-to-none-lb.clusterip-v4-tcp"] == ("n3", "n3")
    assert places["pod-n3-to-none-lb.nodeport.n1-v4-tcp"] == ("n3", "n1")
    assert places["host-n3-to-none-lb.nodeport.loopback-v4-tcp"] == ("n3", "n3")
    assert places["ext-e1-to-none-lb.loadbalancer-v4-tcp"] == ("ext-e1", "ext-e1")


def test_a_client_that_may_be_sent_home_is_asked_often_enough_to_measure_its_share() -> None:
    topology = load("lab-balancer")
    sizes = {f"{cell.frontend.service}.{cell.frontend.label}": cell.sample for cell in plan(topology).cells}

    assert sizes["web-out.loadbalancer"] == 30
    assert sizes["web-lb.loadbalancer.range"] == 30
    assert sizes["web-lb.loadbalancer"] < 30
    assert sizes["web-lb.loadbalancer.ingress"] < 30
