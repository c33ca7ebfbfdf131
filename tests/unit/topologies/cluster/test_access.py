"""A run for a lab never asks another cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from topologies.cluster.client import ClusterError
from topologies.lab import lab
from topologies.loading.load import load
from topologies.plugin import TOPOLOGY, access

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lab_that_is_gone_is_not_replaced_by_the_users_own_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "/somebody/elses/cluster")
    config = SimpleNamespace(stash={TOPOLOGY: load("lab-small")}, getoption=lambda _name: None)

    with pytest.raises(ClusterError, match="lab lab-small is not up"):
        access(config)  # type: ignore[arg-type] # as much of a Config as it looks at


def test_a_process_outside_a_labs_network_asks_none_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAIRPIN_INSIDE", raising=False)
    monkeypatch.setattr(lab, "find", lambda name: name)
    config = SimpleNamespace(stash={TOPOLOGY: load("lab-small")}, getoption=lambda _name: None)

    with pytest.raises(ClusterError, match="lab lab-small: got a process outside its network"):
        access(config)  # type: ignore[arg-type] # as much of a Config as it looks at
