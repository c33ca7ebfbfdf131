"""The fixtures of tests that use the fake API server. A file with an `api` of its own replaces only that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.support.fake_api import Api, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api() -> Api:
    """Return the state of a small cluster."""
    return Api()


@pytest.fixture
def kubeconfig(api: Api, tmp_path: Path) -> Iterator[Path]:
    """Serve that cluster on loopback; its kubeconfig."""
    with serve(api, tmp_path) as path:
        yield path
