"""The scenarios of a run's page in a real headless Chromium: bars, checks that open, a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.analysis.contract import add_contract
from reports.html import run as html
from tests.browser.conftest import DESKTOP
from tests.unit.support.broken_cluster import run_of
from tests.unit.support.scenario_runs import affinity, kept, skipped, stored, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, ViewportSize

    from reports.records.run import Run
    from tests.browser.conftest import Visit

PHONE: ViewportSize = {"width": 400, "height": 844}
FAULTS = {"passed": "none", "failed": "proxy"}
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Return runs with scenarios: beside cells that pass, beside cells that fail, and alone."""
    scenarios = stored(tmp_path_factory.mktemp("scenarios"), affinity(), kept(), skipped(), unfinished())
    found = {name: run_of(fault).model_copy(update={"scenarios": scenarios}) for name, fault in FAULTS.items()}
    found["alone"] = found["passed"].model_copy(update={"records": (), "snapshot": None})
    return {name: add_contract(run) for name, run in found.items()}


@pytest.fixture
def shown(visit: Visit, runs: dict[str, Run], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page; whatever it logs, throws or fetches besides itself fails the test."""
    file = tmp_path / "report.html"
    html.write(runs[getattr(request, "param", "passed")], file)
    with visit(file) as opened:
        yield opened


def test_a_step_is_a_row_with_a_column_for_each_node(shown: Page) -> None:
    table = shown.locator("#scenarios table.scenarios")
    heads = table.locator("xpath=./thead/tr/th").all_inner_texts()
    off = shown.locator("#scenarios tr", has=shown.locator("th[scope=row]", has_text="off"))

    assert heads == ["step", "n1", "n2"]
    assert [one.inner_text() for one in off.locator("td").all()] == ["0.3 to 0.6 s", "never"]
    verdicts = [one.inner_text() for one in shown.locator("#scenarios .scenario .badge").all()]
    assert verdicts == [
        "✗ broken promise in 1 of 4 checks",
        "✓ kept in 10 checks",
        "- skipped: the nodes have no zones",
        "? not asked: exec in pod-n1: timed out; not finished: API down",
    ]


def test_a_bar_is_the_time_in_which_the_change_took_effect(shown: Page) -> None:
    frame, bar = (shown.locator(f"#scenarios .took{inner}").first.bounding_box() for inner in ("", " i"))

    assert frame is not None
    assert bar is not None
    begins, ends = ((edge - frame["x"]) / frame["width"] for edge in (bar["x"], bar["x"] + bar["width"]))
    assert begins == pytest.approx(0.2 / 0.52, abs=0.02)
    assert ends == pytest.approx(0.4 / 0.52, abs=0.02)
    assert shown.locator("#scenarios .took.never").count() == 1


def test_checks_open_by_keyboard_and_those_of_a_broken_step_are_open(shown: Page) -> None:
    closed, opened = (shown.locator(f"#scenarios details{which}") for which in (":not([open])", "[open]"))
    assert opened.count() == 1
    assert (
        "17 affinity-switched-off-and-on\tpod-n2\ts-web.clusterip\tok from-all\tbroken promise" in opened.inner_text()
    )

    before = closed.count()
    closed.first.locator("summary").focus()
    shown.keyboard.press("Enter")
    assert closed.count() == before - 1


@pytest.mark.parametrize("shown", ["alone"], indirect=True)
def test_a_run_without_cells_has_the_verdict_of_its_scenarios(shown: Page) -> None:
    assert shown.locator("h1").inner_text() == "FAIL 1 of 3 scenarios (1 skipped): affinity"
    assert not shown.locator("#none").is_visible()
    assert shown.locator("#contract").get_attribute("open") == ""


@pytest.mark.parametrize("shown", ["passed", "failed", "alone"], indirect=True)
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_no_page_scrolls_sideways(shown: Page, size: ViewportSize) -> None:
    shown.set_viewport_size(size)

    assert shown.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(shown: Page, scheme: str) -> None:
    shown.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert shown.evaluate(CONTRAST) == []
