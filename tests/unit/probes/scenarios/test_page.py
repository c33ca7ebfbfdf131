"""docs/scenarios.md is made of the scenarios."""

from __future__ import annotations

from probes.scenarios.catalogue import scenarios
from probes.scenarios.page import markdown
from tests.unit.support.paths import ROOT

PAGE = ROOT / "docs" / "scenarios.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m probes.scenarios.page > docs/scenarios.md"


def test_every_scenario_has_a_line_and_a_step_with_a_promise() -> None:
    lines = markdown().splitlines()

    for one in scenarios():
        mine = [line for line in lines if line.startswith(f"| `{one.id}` |")]
        assert len(mine) > 1
        assert all(line.count(" | ") == 3 for line in mine)
        assert all(": `" in line for line in mine[1:])
