"""The fixture of all tests of discovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.support.discoverer import Discoverer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def discoverer(tmp_path: Path) -> Discoverer:
    return Discoverer(tmp_path)
