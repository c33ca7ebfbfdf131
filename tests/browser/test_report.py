"""The HTML report in a real headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.html import run as html
from reports.records.run import Run
from tests.browser.conftest import DESKTOP
from tests.unit.support import worlds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, ViewportSize

    from tests.browser.conftest import Visit

FAILED = "pod-n1-to-web-np.nodeport.n3-v4-tcp"
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = worlds.header(worlds.cells())
    found = {name: getattr(head, name) for name in type(head).model_fields}
    run = Run(**{**found, "records": worlds.records(), "complete": True, "command": "</script><b id=torn>"})
    return html.write(run, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def page(visit: Visit, report: Path) -> Iterator[Page]:
    """A fresh page; whatever it logs, throws or fetches besides itself fails the test."""
    with visit(report) as opened:
        yield opened


def on(page: Page) -> int:
    return page.locator(".matrix .c:not(.off):visible").count()


def test_every_cell_is_drawn_once(page: Page) -> None:
    assert on(page) == len(worlds.cells())
    assert page.locator("#torn").count() == 0


def test_filters_combine_and_clear(page: Page) -> None:
    page.click("[data-verdict=fail]")
    assert on(page) == 13
    assert page.locator("#shown").inner_text() == f"13 of {len(worlds.cells())} cells"
    page.select_option("#service", "web-np")
    assert on(page) == 10
    page.select_option("#vantage", "pod-n3")
    assert on(page) == 3
    page.fill("#find", "VTEP n3-vtep")
    assert on(page) == 1
    page.click("button[type=reset]")
    assert on(page) == len(worlds.cells())


def test_a_filter_without_a_match_shows_a_message(page: Page) -> None:
    page.fill("#find", "no such thing")

    assert page.locator("#none").is_visible()
    assert on(page) == 0


def test_a_click_shows_the_whole_account(page: Page) -> None:
    page.click(f"[data-cell='{worlds.index(FAILED)}']")
    panel = page.locator("#panel")

    assert panel.locator("h2").inner_text() == FAILED
    found = panel.inner_text()
    for part in ("Asked", "Because", "R3.4", "Expected", "2 of 11 ok (web-a 1, web-b 1); 9 timed out", "Attempts"):
        assert part in found
    assert page.url.endswith(f"#{FAILED}")
    page.keyboard.press("Escape")
    assert not panel.is_visible()


def test_a_link_to_a_cell_opens_it(page: Page, report: Path) -> None:
    page.goto("about:blank")
    page.goto(f"{report.as_uri()}#{FAILED}")

    assert page.locator("#panel h2").inner_text() == FAILED


def test_keys_alone_are_enough(page: Page) -> None:
    page.keyboard.press("n")
    first = page.locator("#panel h2").inner_text()
    page.keyboard.press("n")
    assert page.locator("#panel h2").inner_text() != first
    page.keyboard.press("p")
    assert page.locator("#panel h2").inner_text() == first
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").inner_text() not in {"", first}
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"


def test_dark_follows_the_system_and_the_toggle(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(ground) == light


@pytest.mark.parametrize("opened", [False, True])
def test_a_phone_scrolls_no_body_sideways(page: Page, opened: bool) -> None:
    page.set_viewport_size(PHONE)
    if opened:
        page.keyboard.press("n")

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_opened_cell_stays_in_sight(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    for _ in range(3):
        page.keyboard.press("n")
        cell = page.locator("[aria-expanded=true]").bounding_box()
        panel = page.locator("#panel").bounding_box()
        assert cell is not None
        assert panel is not None
        assert 0 <= cell["y"] <= size["height"] - cell["height"]
        assert cell["y"] + cell["height"] <= panel["y"] or cell["x"] + cell["width"] <= panel["x"]


def test_a_columns_kind_is_shown_once_and_stays_for_readers(page: Page) -> None:
    heads = page.locator("section:has-text('web-np') thead th").all_inner_texts()

    assert any("other without" in head for head in heads)
    assert (
        page.locator("section thead th.same b").first.evaluate("node => getComputedStyle(node).visibility") == "hidden"
    )


def test_print_shows_the_matrix_and_no_controls(page: Page) -> None:
    page.emulate_media(media="print")

    assert not page.locator("#filters").is_visible()
    assert page.locator("#failures .group").first.is_visible()


def test_filtering_is_quick(page: Page) -> None:
    """In the page's own processor time, which a busy machine does not lengthen: seconds of script, style and layout."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        found = devtools.send("Performance.getMetrics")["metrics"]
        return sum(float(one["value"]) for one in found if one["name"] == "TaskDuration")

    before = spent()
    page.click("[data-verdict=fail]")
    page.evaluate("document.body.offsetHeight")

    assert 0 < spent() - before < 0.25
