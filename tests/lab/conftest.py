"""A machine that cannot hold a lab says so once, and the run fails: nothing is skipped silently.

`make lab` tests two files at a time (`-n 2 --dist loadfile`). Each file has labs of its own, or holds a shared name
(`support/lab_names.py`). Tests marked `prebuilt` run last: `make lab` builds in the background what they need
(`support/prebuilt.py`).
"""

from __future__ import annotations

import os

import pytest

from topologies.lab.requirements import RequirementError, check


def pytest_configure(config: pytest.Config) -> None:
    """Declare our mark. Unset the variables of xdist, so that a pytest that a test starts is no worker of this run."""
    config.addinivalue_line("markers", "prebuilt: needs a guest kernel or the newest Kubernetes")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that need long builds last."""
    items.sort(key=lambda item: item.get_closest_marker("prebuilt") is not None)  # stable


@pytest.fixture(scope="session", autouse=True)
def able() -> None:
    """End the run with one line if a lab cannot be made here."""
    try:
        check()
    except RequirementError as error:
        pytest.exit(f"{' '.join(str(error).split())} (make test LAB=no leaves these tests out)", returncode=1)
