"""A half-done rollout, made real: one node's kube-proxy of another version or mode, each judged by its own rules.

HAIRPIN_SLOW=1 runs these, with the newest complete version in the cache and the other kube-proxies that are there
(`hairpin lab get`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.support.settings import SLOW
from tests.lab.verdicts.test_networks import MANY, NAME, NODES, asked, brought_up, library
from tests.unit.support.paths import ROOT
from topologies.lab import lab
from topologies.lab.build.binaries import RELEASED, cache_dir, complaints, place
from topologies.lab.build.node_proxies import PROXY
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root"),
    pytest.mark.skipif(SLOW not in os.environ, reason="HAIRPIN_SLOW=1: needs programs of several versions"),
]
ENDPOINT_SLICES = (1, 21)  # discovery/v1: what newer kube-proxies list, and what 1.20's API server does not have
NFTABLES = (1, 29)


def cached(*programs: str) -> list[Version]:
    """The versions with these programs in the cache, the newest first."""
    folders = [path for path in (cache_dir() / "kubernetes").glob("[0-9]*") if path.is_dir()]
    versions = [Version.parse(path.name) for path in folders if path.name.replace(".", "").isdigit()]
    return sorted((one for one in versions if not complaints(place(one, cache_dir()), programs)), reverse=True)


COMPLETE = cached(*RELEASED)
NEWEST = COMPLETE[0] if COMPLETE else Version(1, 20, 2)
OTHERS = [one for one in cached(PROXY) if one != NEWEST and one >= ENDPOINT_SLICES]
MIXED: dict[str, dict[str, Any]] = {f"kube-proxy-{one}": {"version": str(one)} for one in OTHERS}
if NEWEST >= NFTABLES:
    MIXED["nftables"] = {"mode": "nftables"}
    MIXED |= {f"nftables-{one}": {"mode": "nftables", "version": str(one)} for one in OTHERS if one >= NFTABLES}


def half_done(proxy: dict[str, Any]) -> dict[str, Any]:
    """A small cluster of the newest version whose second node has this kube-proxy."""
    first, second = NODES
    return {**library("lab-small"), "kubernetes": str(NEWEST), "nodes": [first, {**second, "proxy": proxy}]}


@pytest.mark.parametrize("rollout", MIXED)
def test_every_node_does_what_the_rules_of_its_own_kube_proxy_say(rollout: str, tmp_path: Path) -> None:
    with brought_up(tmp_path, half_done(MIXED[rollout])) as topology:
        verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert len(verdicts["pass"]) > MANY
    print(NEWEST, rollout, len(verdicts["pass"]), "cells")


@pytest.mark.skipif(
    Version(1, 20, 2) not in COMPLETE or NEWEST < ENDPOINT_SLICES, reason="needs 1.20.2 and a newer one"
)
def test_a_kube_proxy_that_cannot_sync_ends_the_run_with_its_error(tmp_path: Path) -> None:
    declared = {**library("lab-small"), "kubernetes": "1.20.2", "proxy": {"version": str(NEWEST)}, "name": NAME}
    file = tmp_path / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(declared))
    command = [sys.executable, "-m", "pytest", f"--topology={file}", f"--out={tmp_path}/out", "-q", "-n0", "suites"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    finally:
        lab.down(NAME)

    output = done.stdout + done.stderr
    assert done.returncode == 6, output
    assert "got no rules (kubeproxy_sync_proxy_rules_last_timestamp_seconds" in output
    assert "failed to list *v1." in output
