"""The page of a run with a fault, as somebody reads it at night: verdict, cause, overview, cell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result
from reports.html import claims
from reports.html import run as html
from reports.records.schema import ChangedFact, StoredExplanation
from tests.browser.conftest import DESKTOP
from tests.unit.support.broken_cluster import mixed_run, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, ViewportSize

    from reports.records.run import Run
    from tests.browser.conftest import Visit

PHONE: ViewportSize = {"width": 390, "height": 844}
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
FAILED = "pod-n1-to-host.clusterip-v4-tcp"
NOTES = ("nodes that the topology does not declare, and that are not asked: n9", "b", "c", "d")


def explained() -> Run:
    run = run_of("cni-masquerade")
    cells = tuple(record.cell.id for record in run.records if record.verdict is Result.FAIL)
    change = ChangedFact(path="nodes.n1.cni.masquerade", value="none", was="flannel")
    one = StoredExplanation(text="n1 does not masquerade", certain=True, changes=(change,), explained=cells)
    declared = {**run.topology.declared, "unknown": ["kernel.rp_filter"]}
    topology = run.topology.model_copy(update={"declared": declared})
    versions = {"kube-proxy of n1": "v1.20.2 ipvs"}
    return run.model_copy(update={"explanations": (one,), "notes": NOTES, "topology": topology, "versions": versions})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    html.write(explained(), folder / "explained.html")
    for fault in ("none", "proxy", "host-down"):
        html.write(run_of(fault), folder / f"{fault}.html")
    html.write(mixed_run(), folder / "mixed.html")
    claims.write(folder / claims.FOLDER)
    return folder


@pytest.fixture
def page(visit: Visit, folder: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page of the run that a test names; whatever it logs, throws or fetches fails the test."""
    file = folder / f"{getattr(request, 'param', 'explained')}.html"
    with visit(file, "file:", "data:") as opened:
        yield opened


def shown(page: Page) -> int:
    return page.locator(".matrix .c:not(.off):visible").count()


def test_the_headline_is_the_verdict_and_notes_are_a_banner(page: Page) -> None:
    headline = page.locator("h1").inner_text()

    assert headline == "FAIL 65 of 618 cells, all asked from n1: nodes.n1.cni.masquerade is none"
    assert page.title().startswith("FAIL: 65 of 618 cells")
    assert page.locator(".notes").inner_text().startswith(f"note {NOTES[0]}")
    assert page.locator(".notes summary").inner_text() == "1 more note"


def test_the_explanation_stands_above_the_cause(page: Page) -> None:
    explanation, cause = page.locator(".explanation").bounding_box(), page.locator(".group").bounding_box()

    assert explanation is not None
    assert cause is not None
    assert explanation["y"] + explanation["height"] <= cause["y"]
    assert explanation["y"] < DESKTOP["height"] / 2
    text = page.locator(".explanation").inner_text()
    for part in (
        "certain: n1 does not masquerade",
        "nodes.n1.cni.masquerade is none",
        'nodes.n1.cni.masquerade: "none"',
        "flannel",
    ):
        assert part in text


def test_one_fault_is_one_cause_with_the_ways_and_its_rule(page: Page) -> None:
    (card,) = page.locator(".group").all()
    first = card.locator(".ways tbody tr").first.inner_text().split("\t")

    assert first == ["34", "source primary(n1)", "source kept"]
    assert card.locator(".ways .word").first.get_attribute("title") == "primary(n1) is the InternalIP of node n1"
    assert card.locator("dd .rule").inner_text() == "R10.5"


def test_the_deciding_rule_leads_to_its_sentence(page: Page) -> None:
    assert not page.locator("#rule-R10\\.5").is_visible()
    page.locator(".group dd .rule").click()
    page.wait_for_function("document.getElementById('rules').open")

    assert page.locator("#rule-R10\\.5").is_visible()
    assert "masquerades pod egress" in page.locator("#rule-R10\\.5 + dd").inner_text()


def test_the_overview_counts_cells_and_chooses_them(page: Page) -> None:
    pair = page.locator(".pair[data-service=host-lb-local][data-client=host-n1]")
    assert pair.inner_text() == "2/9"
    assert page.locator(".pair.fail").count() == 24
    pair.click()
    assert shown(page) == 9
    assert page.locator("#service").input_value() == "host-lb-local"
    pair.click()
    assert shown(page) == 618


@pytest.mark.parametrize("page", ["mixed"], indirect=True)
def test_failed_and_inconclusive_cells_are_counted_apart(page: Page) -> None:
    pair = page.locator(".pair[data-service=web-np-local][data-client=ext-e1]")

    assert pair.inner_text() == "2/3 ✗ 1/3 ?"
    assert pair.get_attribute("aria-label") == "web-np-local from ext-e1: 2/3 cells, fail; 1/3 cells, inconclusive"
    assert page.locator(".pair[data-service=web][data-client=ext-e1]").inner_text() == "3/3"
    assert page.locator("#failures h2").inner_text() == "The cause, and why other cells are inconclusive"


def test_the_overview_is_beside_the_cause_on_a_desktop(page: Page) -> None:
    overview, cause = page.locator("#overview").bounding_box(), page.locator(".causes").bounding_box()

    assert overview is not None
    assert cause is not None
    assert overview["x"] >= cause["x"] + cause["width"]
    assert abs(overview["y"] - cause["y"]) < 5


def test_a_failed_cell_shows_what_was_expected_and_seen(page: Page) -> None:
    cell = page.locator("[aria-label^='fail: pod-n1 to host.clusterip']")

    assert cell.inner_text().split("\n") == ["✗ source kept", "expected primary(n1)"]
    assert "kept: the backend sees the client's own address" in (cell.get_attribute("title") or "")
    cell.click()
    panel = page.locator("#panel").inner_text()
    for part in ("expected\nsource primary(n1)", "observed\nsource kept", "R10.5"):
        assert part in panel


def test_the_command_that_probes_a_cell_again_can_be_copied(page: Page) -> None:
    page.locator("[aria-label^='fail: pod-n1 to host.clusterip']").click()
    command = page.locator("#panel .command code").inner_text()

    assert shlex.split(command) == ["pytest", "--topology=lab-flannel", "-k", FAILED]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#panel .copy").click()
    page.wait_for_function("document.querySelector('#panel .copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_declared_and_real_facts_stand_apart_and_differences_are_flagged(page: Page) -> None:
    rows = [row.inner_text().split("\t") for row in page.locator(".known tbody tr").all()]

    assert rows[0] == ["proxy.mode", "iptables", "ipvs differs"]
    assert ["kernel.rp_filter", "unknown", "not read"] in rows
    assert "1 differs" in page.locator("#cluster summary").inner_text()
    assert "1 unknown" in page.locator("#cluster summary").inner_text()


@pytest.mark.parametrize("page", ["none"], indirect=True)
def test_a_run_that_passed_begins_with_pass_and_its_zero_chips_are_grey(page: Page) -> None:
    assert page.locator("h1").inner_text() == "PASS 618 of 618 cells"
    ink = "node => getComputedStyle(node).color"
    grey = page.locator("#shown").evaluate(ink)
    for verdict in ("fail", "inconclusive"):
        assert page.locator(f"[data-verdict={verdict}] b").evaluate(ink) == grey
        assert page.locator(f"[data-verdict={verdict}]").is_disabled()
    assert page.locator("[data-verdict=pass] b").evaluate(ink) != grey


@pytest.mark.parametrize("page", ["explained", "none", "host-down"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.keyboard.press("n")

    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["documented/index", "documented/ack"])
def test_the_vendors_pages_have_enough_contrast(page: Page, folder: Path, scheme: str, name: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.goto((folder / f"{name}.html").as_uri())

    assert page.evaluate(CONTRAST) == []


def test_a_phone_shows_the_value_that_differs_from_the_declared_one(page: Page) -> None:
    page.set_viewport_size(PHONE)
    badge = page.locator(".known .differs .badge").bounding_box()

    assert badge is not None
    assert badge["x"] + badge["width"] <= PHONE["width"] - 12
    assert page.evaluate("(one => one.scrollWidth - one.clientWidth)(document.querySelector('#cluster .scroll'))") == 0


@pytest.mark.parametrize("table", ["#overview", "#matrix section:nth-of-type(4)"])
def test_no_cell_shows_left_of_the_names_of_a_scrolled_table(page: Page, table: str) -> None:
    page.set_viewport_size(PHONE)
    page.evaluate(f"document.querySelector('{table} .scroll').scrollLeft = 60")
    frame, name = page.locator(f"{table} .frame").bounding_box(), page.locator(f"{table} tbody th").first.bounding_box()

    assert frame is not None
    assert name is not None
    assert name["x"] <= frame["x"] + 1


@pytest.mark.parametrize("page", ["explained", "proxy"], indirect=True)
def test_a_phone_scrolls_tables_and_shows_where_they_are_cut(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.locator("#overview .frame.cut-right").wait_for()

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    edge = "getComputedStyle(document.querySelector('#overview .frame'), '::after').display"
    assert page.evaluate(edge) == "flex"
    page.evaluate("document.querySelector('#overview .scroll').scrollLeft = 9999")
    page.locator("#overview .frame:not(.cut-right)").wait_for()
    assert page.evaluate(edge) == "none"
    assert page.locator("#overview .frame.cut-left").count() == 1


def test_the_overview_is_one_stop_for_tab_and_arrows_move_in_it(page: Page) -> None:
    pairs = page.locator(".pair")
    assert [pairs.nth(number).get_attribute("tabindex") for number in range(3)] == ["0", "-1", "-1"]
    pairs.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")

    assert page.locator("#service").input_value() == "host"
    assert page.locator("#vantage").input_value() == "host-n1"


def test_every_control_is_reached_by_tab_and_shows_its_focus(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    seen: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"

    assert {"theme", "fail", "service", "vantage", "find", "copy", "badge rule", "pair fail"} & seen >= {
        "theme",
        "fail",
    }
    assert {"service", "vantage", "find", "copy", "badge rule"} <= seen
