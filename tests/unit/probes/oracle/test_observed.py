"""Compares the oracle with recordings of real kube-proxies: every cell agrees, or its disturbance is known.

There are three classes of cells. They agree, or their attempts were disturbed and are no evidence for a rule, or they
disagree and fail. docs/observations.md describes the format of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.oracle.predict import predict
from tests.unit.probes.oracle.recordings import FILES, read
from tests.unit.support.observed_world import complaint, disturbed, recorded, world

if TYPE_CHECKING:
    from tests.unit.probes.oracle.recordings import Recording

MOST_DISTURBED = 0.01  # share of a file's cells whose attempts differ among themselves


def held_against_the_oracle(recording: Recording) -> tuple[dict[str, str], dict[str, str]]:
    """Return the cells that disagree, and those whose attempts differ, each with the difference."""
    wrong: dict[str, str] = {}
    mixed: dict[str, str] = {}
    there = world(recording)
    for one in recorded(recording):
        expectation = predict(there, one.cell)
        if text := complaint(one, expectation):
            found = mixed if disturbed(one, expectation) else wrong
            found[one.id] = f"{text} ({' '.join(expectation.rules)})"
    return wrong, mixed


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_cell_agrees_or_has_its_reason(name: str) -> None:
    recording = read(name)
    wrong, mixed = held_against_the_oracle(recording)
    unexplained = {cell: text for cell, text in wrong.items() if cell not in recording.noise}
    unlisted = {cell: text for cell, text in mixed.items() if cell not in recording.noise}
    cells, known = len(recording.rows), len(recording.noise)

    print(  # noqa: T201 - the count is the evidence
        f"{name}: {cells} cells, {cells - len(wrong) - len(mixed)} agree, {known} known noise, "
        f"{len(unlisted)} with tries that disagree, {len(unexplained)} wrong"
    )
    assert not unexplained
    assert not recording.noise.keys() - wrong.keys() - mixed.keys(), "noise that no longer shows"
    assert len(unlisted) <= max(1, MOST_DISTURBED * cells), unlisted
