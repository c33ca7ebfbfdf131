"""A machine that cannot hold a lab says so once, and the run fails: nothing is skipped silently.

Files may be tested side by side (`-n 2 --dist loadfile`): each has labs of its own, or waits (`support/alone.py`).
Tests marked `prebuilt` need what takes minutes to build (`support/prebuilt.py`): that starts with the run, in the
background, and they come last.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from tests.lab.support import prebuilt
from topologies.lab.requirements import RequirementError, check

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure(config: pytest.Config) -> None:
    """Declare our mark; let the pytest that a test starts be no worker of this run."""
    config.addinivalue_line("markers", "prebuilt: needs a guest kernel or the newest Kubernetes, built meanwhile")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs long builds last."""
    items.sort(key=lambda item: item.get_closest_marker("prebuilt") is not None)  # stable


@pytest.fixture(scope="session", autouse=True)
def able() -> None:
    """End the run with one line if a lab cannot be made here."""
    try:
        check()
    except RequirementError as error:
        pytest.exit(f"{' '.join(str(error).split())} (make test LAB=no leaves these tests out)", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _builds(able: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Build meanwhile what chosen tests need. In each worker: the second one waits for the first one's lock."""
    assert able is None
    wanted = any(item.get_closest_marker("prebuilt") for item in request.session.items)
    with prebuilt.in_background() if wanted else nullcontext():
        yield
