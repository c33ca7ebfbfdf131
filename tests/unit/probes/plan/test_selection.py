from typing import Any

import pytest

from probes.plan.plan import plan
from probes.plan.selection import SelectionError, select
from topologies.loading.load import load
from topologies.loading.overrides import declared

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells


def test_selectors_are_all_to_be_met() -> None:
    chosen = select(CELLS, TOPOLOGY, {"frontend": "nodeport", "policy": "Local", "vantage": ("pod", "node")})

    assert chosen
    assert {cell.vantage.kind for cell in chosen} == {"pod", "node"}
    assert all(cell.frontend.service.endswith("-local") for cell in chosen)


@pytest.mark.parametrize("wanted", [{"fronted": "nodeport"}, {"frontend": "nodeprt"}, {"policy": ("Local", "local")}])
def test_a_misspelt_selector_is_an_error(wanted: dict[str, Any]) -> None:
    with pytest.raises(SelectionError, match="got"):
        select(CELLS, TOPOLOGY, wanted)


def test_the_balancers_stories_are_found_by_what_they_are_about() -> None:
    topology = load("lab-balancer")

    def labels(**wanted: Any) -> set[str]:
        return {
            f"{one.frontend.service}.{one.frontend.label}" for one in select(plan(topology).cells, topology, wanted)
        }

    assert labels(listener="own") == {"web-lb.loadbalancer.ingress", "web-lb.loadbalancer.other-cluster"}
    assert labels(listener="leads") == {"web-lb.loadbalancer.range"}
    assert "solo-beside.loadbalancer" in labels(shared_address=True, frontend="loadbalancer")
    assert labels(status="hostname", frontend="loadbalancer", declared=True, beside=True, host_network=True) == {
        "host-out-local.loadbalancer"
    }


@pytest.mark.parametrize(
    ("changes", "usual"),
    [
        ({}, True),
        ({"kernel.kubelet_rules": "all"}, True),
        ({"kernel.kubelet_rules": "none"}, False),
        ({"kernel.kubelet_rules": "unknown"}, False),
        ({"kernel.rp_filter": 1}, False),
        ({"kubernetes": "1.34.4"}, True),
        ({"kubernetes": "1.34.4", "proxy.version": "1.24.17"}, False),
        ({"kubernetes": "1.34.4", "proxy.version": "1.24.17", "kernel.kubelet_rules": "all"}, True),
        ({"kubernetes": "1.26.1", "proxy.version": "1.27.2"}, True),
    ],
)
def test_a_usual_kernel_has_the_rules_of_kubelet_that_its_kube_proxy_relies_on(
    changes: dict[str, Any], usual: bool
) -> None:
    topology = declared("lab-small", changes)
    cells = plan(topology).cells

    assert bool(select(cells, topology, {"usual_kernel": True})) is usual
    assert bool(select(cells, topology, {"usual_kernel": False})) is not usual
