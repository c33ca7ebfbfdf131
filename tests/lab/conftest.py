"""A machine that cannot hold a lab says so once, and the run fails: nothing is skipped silently."""

from __future__ import annotations

import pytest

from topologies.lab.requirements import RequirementError, check


@pytest.fixture(scope="session", autouse=True)
def able() -> None:
    """End the run with one line if a lab cannot be made here."""
    try:
        check()
    except RequirementError as error:
        pytest.exit(f"{' '.join(str(error).split())} (make test LAB=no leaves these tests out)", returncode=1)
