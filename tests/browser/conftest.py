from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page, ViewportSize

    Visit = Callable[..., AbstractContextManager[Page]]

DESKTOP: ViewportSize = {"width": 1366, "height": 900}

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (group dev)")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=chromium,
            headless=True,
            args=FLAGS.split(),
            viewport=DESKTOP,
        )
        yield context
        context.close()


@pytest.fixture
def visit(browser: BrowserContext) -> Visit:
    """Open a file as a fresh page. It must log and throw nothing, and fetch nothing but what begins with `within`."""

    @contextmanager
    def opened(file: Path, *within: str) -> Iterator[Page]:
        allowed = within or (file.as_uri(), "data:")
        page, complaints = browser.new_page(), list[str]()
        page.set_viewport_size(DESKTOP)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith(allowed) else complaints.append(sent.url))
        page.goto(file.as_uri())
        yield page
        page.close()
        assert complaints == []

    return opened
