import pytest

from probes.plan import plan, sample_size
from topologies.load import load, names


@pytest.mark.parametrize("name", names())
def test_ids_are_unique_and_the_order_is_the_same_twice(name):
    first, second = plan(load(name)), plan(load(name))
    ids = [cell.id for cell in first.cells]

    assert len(set(ids)) == len(ids)
    assert first == second


def test_the_standard_matrix_has_more_than_300_cells():
    assert len(plan(load("lab-flannel")).cells) >= 300


def test_every_omission_has_its_reason():
    left = plan(load("lab-flannel")).omissions

    assert left
    assert all(omission.reason for omission in left)


def test_a_node_port_is_asked_on_own_node_and_on_one_of_each_class():
    asked = {
        cell.frontend.label
        for cell in plan(load("lab-flannel")).cells
        if cell.vantage.name == "pod-n3" and cell.frontend.service == "web-np-local"
    }

    assert {"nodeport.n3", "nodeport.n1", "nodeport.n4"} <= asked
    assert "nodeport.n2" not in asked


@pytest.mark.parametrize(("backends", "size"), [(0, 3), (1, 3), (2, 11), (3, 20)])
def test_the_sample_shows_every_backend_with_probability_999(backends, size):
    assert sample_size(backends) == size


def test_a_balancer_nobody_has_is_not_asked():
    kinds = {cell.frontend.kind for cell in plan(load("example-kubeadm")).cells}

    assert "loadbalancer" not in kinds
