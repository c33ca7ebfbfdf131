"""docs/contract.md is what the rows and the rules say."""

from __future__ import annotations

import pytest

from probes.contract.kube_proxy_table import KubeProxyTable
from probes.contract.load import rows
from probes.contract.page import markdown
from tests.unit.support.paths import ROOT

PAGE = ROOT / "docs" / "contract.md"


@pytest.mark.slow
def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m probes.contract.page > docs/contract.md"


def test_the_rows_of_the_page_are_current() -> None:
    made = markdown(KubeProxyTable((), {})).partition("## Where kube-proxy itself differs")[0]

    assert PAGE.read_text(encoding="utf-8").startswith(made), "run: python -m probes.contract.page > docs/contract.md"
    assert all(f"`{row.id}`" in made for row in rows())
