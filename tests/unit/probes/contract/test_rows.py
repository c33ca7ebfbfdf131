"""The rows are complete and valid, and the matrix of the library can ask what they say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from probes.contract import load
from probes.contract.model import ContractRow
from probes.contract.selecting import cells_of_row, lacking
from probes.contract.sources import Level
from probes.plan.plan import plan
from topologies.loading.load import load as topology
from topologies.loading.load import names
from topologies.schema.topology import Version

ROWS = load.rows()
NO_LIBRARY_TOPOLOGY = {"lb-mode-proxy-inside"}  # ipMode: Proxy
E2E = {"kind": "e2e", "name": "a test", "at": "network/service.go"}
RAW = {
    "id": "a-row",
    "number": 1,
    "level": "should",
    "sentence": "A pod is served.",
    "promise": "ok",
    "asks": {"vantage": "pod"},
    "sources": [E2E],
}


def _made(**changed: object) -> ContractRow:
    return ContractRow.model_validate({**RAW, **changed})


def test_there_are_the_rows_of_the_issue_and_more() -> None:
    numbers = [row.number for row in ROWS]

    assert set(range(1, 71)) <= set(numbers)
    assert numbers == sorted(set(numbers))
    assert {level: sum(row.level is level for row in ROWS) for level in Level} == {
        Level.MUST: 27,
        Level.SHOULD: 54,
        Level.UNSPECIFIED: 17,
    }


def test_every_row_that_the_matrix_asks_has_cells_in_the_library() -> None:
    asked = {row.id for row in ROWS if row.asks}
    found = set()
    for name in names():
        declared = topology(name)
        cells = plan(declared).cells
        found |= {row.id for row in ROWS if row.id not in found and cells_of_row(row, cells, declared)}

    assert asked - found == NO_LIBRARY_TOPOLOGY


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"not_asked": "x"}, "got asks and not_asked, want asks, scenario or both, or not_asked"),
        ({"asks": (), "scenario": "x", "not_asked": "x"}, "got scenario and not_asked, want asks, scenario or both"),
        ({"asks": ()}, "got nothing, want asks, scenario or both, or not_asked"),
        ({"level": "must"}, "got level must, want should as its sources"),
        ({"promise": ""}, "got promise '' at should"),
        ({"promise": "okay"}, "want outcomes joined by"),
        ({"sources": [{**E2E, "level": "must"}]}, "got must, want at most should"),
        ({"sources": [{**E2E, "since": "1.30", "until": "1.29"}]}, "until of 'a test'"),
    ],
)
def test_an_inconsistent_row_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        _made(**changed)


def test_the_level_in_a_release_is_that_of_its_strongest_source_then() -> None:
    row = load.row("lb-inside-cluster-semantics")

    assert [row.level_at(Version(1, minor)) for minor in (24, 25)] == [Level.SHOULD, Level.MUST]
    assert row.since == "1.25"
    assert load.row("local-node-own-node-without").level_at(Version(1, 31)) is Level.UNSPECIFIED
    assert load.row("lb-udp-without-endpoints-refuses").level_at(Version(1, 30)) is Level.SHOULD


def test_a_row_whose_features_are_missing_selects_nothing() -> None:
    declared = topology("lab-fences")  # its NodePorts are served in one range only
    row = load.row("nodeport-pod-reaches-every-node")

    assert lacking(row, declared) == "all-node-addresses"
    assert cells_of_row(row, plan(declared).cells, declared) == []


def test_an_unknown_row_is_one_clear_error() -> None:
    with pytest.raises(LookupError, match="contract row: got 'nothing', want one of clusterip-pod-reaches-ready"):
        load.row("nothing")


def test_two_rows_with_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "NAMES", ("pod-network", "pod-network"))

    with pytest.raises(load.ContractError, match="id: got node-to-pod, pod-to-pod, pod-to-pod-source-kept twice"):
        load.tables.__wrapped__()


def test_a_row_about_the_state_of_endpoints_is_asked_by_the_matrix_or_by_a_scenario() -> None:
    both = {row.number for row in ROWS if row.asks and row.scenario}
    states, plain = topology("lab-endpoint-states"), topology("lab-flannel")

    assert both == {8, 9, 51, 52, 53, 54, 55, 56}
    assert all(cells_of_row(row, plan(states).cells, states) for row in ROWS if row.number in both)
    assert not any(cells_of_row(row, plan(plain).cells, plain) for row in ROWS if row.number in both)


def test_a_row_that_names_no_states_is_about_ready_endpoints() -> None:
    states = topology("lab-endpoint-states")
    about_states = {"states" in asked for row in ROWS for asked in row.asks}
    rows = [row for row in ROWS if row.asks and not any("states" in asked for asked in row.asks)]
    asked = {cell.frontend.kind for row in rows for cell in cells_of_row(row, plan(states).cells, states)}

    assert about_states == {True, False}
    assert asked == {"endpoint"}  # echo pods themselves, which answer in every state
