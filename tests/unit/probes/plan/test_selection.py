from typing import Any

import pytest

from probes.plan.plan import plan
from probes.plan.selection import SelectionError, select
from topologies.loading.load import load

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
