"""The generator of large topologies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from bench.scale import enlarged
from probes.plan.plan import plan
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("services", [1, 15, 100])
def test_a_topology_gets_as_many_services_as_asked_for(services: int, tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(yaml.safe_dump(enlarged(load("lab-flannel"), services)))

    large = load(str(path))

    assert len(large.workload.services) == services
    assert large.name == f"lab-flannel-{services}"
    assert large.lab == load("lab-flannel").lab
    assert large.nodes == load("lab-flannel").nodes


def test_a_hundred_services_are_as_large_as_the_matrix_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(yaml.safe_dump(enlarged(load("lab-flannel"), 100)))
    cells = plan(load(str(path))).cells

    assert len(cells) > 3900
    assert sum(cell.sample for cell in cells) > 27000
