"""The vendors' pages in a real headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.vendor_claims import load
from reports.html import claims

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, ViewportSize

    from tests.browser.conftest import Visit

PHONE: ViewportSize = {"width": 390, "height": 844}
CLAIM = "000-D.r2.outcome"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("documented")
    claims.write(made)
    return made


@pytest.fixture
def page(visit: Visit, folder: Path) -> Iterator[Page]:
    """A fresh page; whatever it logs, throws or fetches besides itself fails the test."""
    with visit(folder / "ack.html", folder.as_uri(), "data:") as opened:
        yield opened


def opened(page: Page) -> list[str]:
    return [one.get_attribute("id") or "" for one in page.locator(".account").all() if one.is_visible()]


def test_a_click_opens_the_account_and_escape_closes_it(page: Page) -> None:
    assert opened(page) == []
    page.click(f"[href='#{CLAIM}']")
    assert opened(page) == [CLAIM]
    found = page.locator(f"[id='{CLAIM}']").inner_text()
    for part in ("not reachable (no ipvs real server)", "1.20 to 1.23", "refused", "proxy.mode ipvs", "R4i.2"):
        assert part in found
    page.keyboard.press("Escape")
    assert opened(page) == []


def test_keys_step_through_the_claims(page: Page) -> None:
    page.keyboard.press("n")
    (first,) = opened(page)
    page.keyboard.press("n")
    assert opened(page) != [first]
    page.keyboard.press("p")
    assert opened(page) == [first]


def test_the_tables_are_the_vendors(page: Page) -> None:
    columns = page.locator("[id='table-000-D'] thead th").all_inner_texts()

    assert columns == [
        "version",
        "target node",
        "CNI / backend",
        "outcome",
        "source at the pod",
        "example in the article",
    ]
    assert page.locator("[id='table-000-D'] tbody tr").count() == 5


def test_the_index_leads_to_every_page(page: Page) -> None:
    page.click("nav a:first-child")
    for name in load.NAMES:
        page.click(f"a[href='{name}.html']")
        assert page.locator("h1").inner_text() == load.load(name).title
        page.go_back()


@pytest.mark.parametrize("name", [*load.NAMES, "index"])
def test_a_phone_scrolls_no_body_sideways(page: Page, folder: Path, name: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto((folder / f"{name}.html").as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
