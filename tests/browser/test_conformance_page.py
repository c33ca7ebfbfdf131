"""The page of `hairpin conformance` in a real headless Chromium: rows, filters, links, evidence, times, a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import ContractResult
from probes.contract.load import rows
from reports.analysis.conformance.build import FinishedRun, ImplementationClaim, build_report
from reports.analysis.conformance.report import Implementation
from reports.analysis.contract import add_contract
from reports.html import conformance as html
from tests.browser.conftest import DESKTOP
from tests.unit.support.conformance_runs import CELL, finished_run
from tests.unit.support.scenario_runs import affinity, kept, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page, ViewportSize

    from reports.analysis.conformance.report import ConformanceReport
    from tests.browser.conftest import Visit

PHONE: ViewportSize = {"width": 400, "height": 844}
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
WHO = Implementation(
    organization="o", project="</script><b id=torn>", url="https://p.example", version="v1", contact=("@o",)
)
AFFINITY = "affinity-switched-off-and-on"


def reported(folder: Path) -> ConformanceReport:
    """Return the report of a run of the matrix and one of scenarios, with a broken row in each."""
    matrix = finished_run(local_outside_node_without=ContractResult.BROKEN, lb_affinity=ContractResult.UNUSUAL)
    bare = finished_run(contract=(), command="pytest --topology=lab-contract suites/scenarios")
    scenarios = add_contract(bare.model_copy(update={"scenarios": stored(folder, affinity(), kept())}))
    runs = [FinishedRun.of(name, run) for name, run in (("matrix", matrix), ("scenarios", scenarios))]
    return build_report(runs, ImplementationClaim(WHO))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ConformanceReport:
    return reported(tmp_path_factory.mktemp("scenarios"))


@pytest.fixture
def shown(visit: Visit, report: ConformanceReport, tmp_path: Path) -> Iterator[Page]:
    """A fresh page; whatever it logs, throws or fetches besides itself fails the test."""
    file = tmp_path / "conformance.html"
    file.write_text(html.render(report), encoding="utf-8")
    with visit(file) as opened:
        yield opened


def _visible(page: Page) -> list[Locator]:
    return [one for one in page.locator(".group").all() if one.is_visible()]


def test_every_row_has_a_heading_and_those_that_are_not_kept_come_first(shown: Page) -> None:
    numbers = [int(text.split()[0]) for text in shown.locator(".group h3").all_inner_texts()]

    assert shown.locator("h1").inner_text() == "Conformance"
    assert sorted(numbers) == sorted(row.number for row in rows())
    assert numbers[:3] == [17, 29, 80]
    assert shown.locator("#torn").count() == 0
    assert "</script><b id=torn>" in shown.locator("header").inner_text()


def test_rows_are_filtered_by_their_verdict_and_by_words(shown: Page) -> None:
    shown.click('.kinds [data-mark="broken promise"]')
    assert [one.get_attribute("id") for one in _visible(shown)] == ["row-17", "row-29"]
    assert shown.locator("#shown").inner_text() == f"2 of {len(rows())} groups"

    shown.fill("#find", "sessionAffinity")
    assert [one.get_attribute("id") for one in _visible(shown)] == ["row-17"]
    shown.fill("#find", "no such word")
    assert shown.locator("#none").is_visible()

    shown.click("button[type=reset]")
    shown.wait_for_function(f"document.querySelectorAll('.group:not([hidden])').length === {len(rows())}")
    assert not shown.locator("#none").is_visible()


def test_a_row_is_reached_by_its_address(shown: Page) -> None:
    shown.goto(f"{shown.url.partition('#')[0]}#row-29")

    box = shown.locator("#row-29").bounding_box()
    assert box is not None
    assert -1 < box["y"] < DESKTOP["height"]


def test_the_evidence_of_a_cell_and_of_a_check_are_named_with_the_times_of_the_row(shown: Page) -> None:
    cell, check = (shown.locator(f"#row-{number}").inner_text() for number in (29, 17))

    assert CELL in cell
    assert "R4i.3" in cell
    assert "affinity, off: pod-n2-to-s-web.clusterip answered by web-a, want ok from-all" in check
    assert "affinity, off: never at n2; within 0.6 s: n1 0.3-0.6" in check
    assert "took effect" not in cell


def test_every_link_leads_to_a_source(shown: Page, report: ConformanceReport) -> None:
    links = [one.get_attribute("href") or "" for one in shown.locator("main a").all()]

    assert len(links) == sum(len(row.sources) for row in (*report.rows, *report.unspecified)) > len(rows())
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_statistics_are_those_of_the_report(shown: Page, report: ConformanceReport) -> None:
    lines = [line.split("\t") for line in shown.locator("main table tbody tr").all_inner_texts()]
    core = next(one for one in report.profiles if one.name == "SERVICES").core.statistics

    assert ["SERVICES", "core", "failure", str(core.passed), str(core.failed), str(core.skipped)] in lines
    assert core.failed == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(shown: Page, scheme: str) -> None:
    shown.emulate_media(color_scheme="light" if scheme == "light" else "dark")

    assert shown.evaluate(CONTRAST) == []


def test_a_phone_scrolls_no_page_sideways(shown: Page) -> None:
    shown.set_viewport_size(PHONE)

    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
