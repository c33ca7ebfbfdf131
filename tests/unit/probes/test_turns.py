"""When a cell's turn comes in ipvs mode."""

from __future__ import annotations

import pytest

from probes import turns
from probes.plan import plan
from topologies.load import load

MASQUERADED = load("lab-ipvs-tke")
CELLS = {name: {cell.id: cell for cell in plan(load(name)).cells} for name in ("lab-ipvs-tke", "lab-ipvs-eni")}


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("pod-n1-to-web-np.clusterip-v4-tcp", 0),
        ("pod-n1-to-web-np.nodeport.n1-v4-tcp", 0),  # its own node's
        ("pod-n1-to-web-lb.loadbalancer.undeclared-v4-tcp", 0),  # to no node at all
        ("ext-e1-to-web-np.nodeport.n1-v4-tcp", 0),  # from an address that nobody is masqueraded to
        ("self-web-a-to-web-np-local.nodeport.n3-v4-tcp", 1),  # no endpoint is there
        ("pod-n3-to-web-np.nodeport.n1-v4-tcp", 2),
        ("pod-n3-to-web-lb.loadbalancer-v4-tcp", 2),  # a hostname in the status: past its own node's ipvs
        ("pod-n1-to-web-np.nodeport.n2-v4-tcp", 3),
        ("host-n1-to-web-np.nodeport.n2-v4-tcp", 3),
        ("host-n1-to-web-np.nodeport.n3-v4-tcp", 0),  # leaves records where no answer of others passes
    ],
)
def test_what_comes_to_other_nodes_comes_later(name, turn):
    cell = CELLS["lab-ipvs-tke"][name]

    assert turns.turn(MASQUERADED, cell) == turn
    assert turns.drawn(MASQUERADED, cell) is (turn > 0 and not name.startswith("host"))


def test_only_processes_of_a_node_come_later_where_no_pod_is_masqueraded():
    there, cells = load("lab-ipvs-eni"), CELLS["lab-ipvs-eni"]
    asked = [(who, node) for who in ("pod-n1", "host-n1") for node in ("n2", "n3")]

    found = {asking: turns.turn(there, cells["{}-to-web-np.nodeport.{}-v4-tcp".format(*asking)]) for asking in asked}

    assert found == {("pod-n1", "n2"): 0, ("pod-n1", "n3"): 0, ("host-n1", "n2"): 3, ("host-n1", "n3"): 0}
    assert not any(turns.drawn(there, cell) for cell in cells.values())


def test_only_ipvs_finds_a_connection_without_the_address_that_was_asked():
    there = load("lab-flannel")

    assert {turns.turn(there, cell) for cell in plan(there).cells} == {0}
