"""The tests of cells are no part of pytest's own lists, unless these are asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reports.quiet_lists import shows_lists, without_cells

OF_CELL = SimpleNamespace(user_properties=[("cell", "a"), ("verdict", "fail")], longrepr="E  timeout")
OTHER = SimpleNamespace(user_properties=[], longrepr="E  a broken fixture")
NOT_DECLARED = SimpleNamespace(longrepr=("suites/x.py", 3, "Skipped: topology x declares no cell for {}"))
SKIPPED = SimpleNamespace(longrepr=("suites/x.py", 3, "Skipped: by hand"))


def test_only_cells_and_promises_without_cells_are_left_out_and_all_come_back() -> None:
    stats: dict[str, list[Any]] = {"failed": [OF_CELL, OTHER], "skipped": [NOT_DECLARED, SKIPPED], "passed": [OF_CELL]}
    with without_cells(stats):
        assert stats == {"failed": [OTHER], "skipped": [SKIPPED], "passed": [OF_CELL]}

    assert stats == {"failed": [OF_CELL, OTHER], "skipped": [NOT_DECLARED, SKIPPED], "passed": [OF_CELL]}


def test_the_lists_come_back_if_the_terminal_breaks() -> None:
    stats: dict[str, list[Any]] = {"failed": [OF_CELL]}
    with pytest.raises(BrokenPipeError), without_cells(stats):
        raise BrokenPipeError

    assert stats == {"failed": [OF_CELL]}


@pytest.mark.parametrize(
    ("arguments", "verbosity", "shown"),
    [([], 0, False), (["-q"], -1, False), (["-v"], 1, True), (["-rfE"], 0, True), (["--tb=long"], 0, True)],
)
def test_the_lists_are_there_when_asked_for(arguments: list[str], verbosity: int, shown: bool) -> None:
    assert shows_lists(arguments, verbosity) is shown
