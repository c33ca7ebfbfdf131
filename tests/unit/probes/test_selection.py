import pytest

from probes.plan import plan
from probes.selection import SelectionError, select
from topologies.load import load

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells


def test_selectors_are_all_to_be_met():
    chosen = select(CELLS, TOPOLOGY, {"frontend": "nodeport", "policy": "Local", "vantage": ("pod", "node")})

    assert chosen
    assert {cell.vantage.kind for cell in chosen} == {"pod", "node"}
    assert all(cell.frontend.service.endswith("-local") for cell in chosen)


@pytest.mark.parametrize("wanted", [{"fronted": "nodeport"}, {"frontend": "nodeprt"}, {"policy": ("Local", "local")}])
def test_a_misspelt_selector_is_an_error(wanted):
    with pytest.raises(SelectionError, match="got"):
        select(CELLS, TOPOLOGY, wanted)
