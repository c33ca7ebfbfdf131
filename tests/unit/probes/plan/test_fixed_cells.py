from __future__ import annotations

from collections import Counter

from probes.plan.fixed_cells import choose_fixed_cells
from probes.plan.plan import plan
from topologies.frontends import FrontendKind
from topologies.loading.load import load

FLANNEL = load("lab-flannel")


def test_every_kind_is_asked_from_every_vantage_and_at_every_node() -> None:
    cells = choose_fixed_cells(FLANNEL)

    labels = Counter((cell.frontend.service, cell.frontend.label) for cell in cells if cell.vantage.name == "pod-n1")
    ports = [(service, f"nodeport.n{number}") for service in ("web-np", "web-np-local") for number in range(1, 5)]
    others = [("web", "clusterip"), ("web-lb", "loadbalancer"), ("web-lb-local", "loadbalancer")]
    assert labels == Counter([*ports, *others])
    assert {cell.vantage.name for cell in cells} == {vantage.name for vantage in FLANNEL.workload.vantages}


def test_an_external_host_asks_no_cluster_ip() -> None:
    kinds = {cell.frontend.kind for cell in choose_fixed_cells(FLANNEL) if cell.vantage.external}

    assert kinds == {FrontendKind.NODE_PORT, FrontendKind.LOAD_BALANCER}


def test_ids_are_those_of_the_plan() -> None:
    known = {cell.id for cell in plan(FLANNEL).cells}
    chosen = {cell.id for cell in choose_fixed_cells(FLANNEL)}

    assert len(chosen & known) > len(chosen) / 2
    assert {cell for cell in chosen - known if ".nodeport.n" not in cell} == set()


def test_a_lab_without_a_balancer_address_per_service_is_chosen_too() -> None:
    cells = choose_fixed_cells(load("lab-servicelb"))

    assert any(cell.frontend.kind is FrontendKind.LOAD_BALANCER for cell in cells)
