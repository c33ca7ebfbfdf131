"""The oracle against what real kube-proxies did (observed/README.md): every cell agrees or has its reason here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.observation import Outcome
from probes.oracle.oracle import predict
from tests.unit.oracle.observed_world import FOLDER, recorded, world

if TYPE_CHECKING:
    from probes.expectation import Expectation
    from tests.unit.oracle.observed_world import Recorded

FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))
EXCEPTIONS = {  # (file, cell): why the real one did otherwise
    (
        "1.20.2-ipvs-flannel-cc",
        "itp-lb NodePort@n1 from b",
    ): "one of three tries hung: the user-mode guest's noise, 6.10",
}


def complaint(one: Recorded, expectation: Expectation) -> str:
    wrong = one.outcomes - expectation.outcomes
    if wrong or (one.outcomes == {Outcome.OK} and expectation.outcomes != {Outcome.OK}):
        return f"{sorted(one.outcomes)} where {sorted(expectation.outcomes)} was expected"
    seen = {(one.source, one.backend)} if one.backend else set()
    allowed = {(source, path.backend) for path in expectation.paths for source in path.sources}
    return "" if seen == allowed else f"{seen} where {allowed} was expected"


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_cell_agrees_or_has_its_reason(name: str) -> None:
    there = world(name)
    complaints = {}
    cells = list(recorded(name))
    for one in cells:
        expectation = predict(there, one.cell)
        if text := complaint(one, expectation):
            complaints[one.id] = f"{text} ({' '.join(expectation.rules)})"
    unexplained = {cell: text for cell, text in complaints.items() if (name, cell) not in EXCEPTIONS}
    excused = {cell for file, cell in EXCEPTIONS if file == name}

    print(f"{name}: {len(cells)} cells, {len(cells) - len(complaints)} agree, {len(complaints)} excepted")  # noqa: T201
    assert len(cells) == 519
    assert not unexplained
    assert excused == complaints.keys() - unexplained.keys(), "an exception that no longer shows"
