"""The oracle against what real kube-proxies did (observed/README.md): every cell agrees or has its reason here."""

from __future__ import annotations

import pytest

from probes.oracle.oracle import predict
from tests.unit.oracle.observed_world import FOLDER, complaint, recorded, world

FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))
EXCEPTIONS = {  # (file, cell): why the real one did otherwise
    (
        "1.20.2-ipvs-flannel-cc",
        "itp-lb NodePort@n1 from b",
    ): "one of three tries hung: the user-mode guest's noise, 6.10",
}


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
