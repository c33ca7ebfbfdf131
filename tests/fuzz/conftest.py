from __future__ import annotations

import pytest

from tests.fuzz.bounds import Memory


@pytest.fixture
def memory() -> Memory:
    """The memory that a fuzz uses, counted from its start."""
    return Memory()
