"""A workload that changes while it is asked makes its cells inconclusive, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from probes import session
from probes.lifecycle import stability
from probes.oracle.predict import expect
from probes.plan.plan import plan
from tests.unit.support.fake_api import Api, serve, status
from topologies.cluster import client as clusters
from topologies.cluster_state.shortfalls import changes, residents
from topologies.cluster_state.snapshot import PodStatus, declared
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path

SMALL = load("lab-small")
CELLS = plan(SMALL).cells
BEFORE = replace(declared(SMALL), statuses={name: PodStatus(uid=name, node=node) for _, name, node in residents(SMALL)})
RESTARTED = replace(BEFORE, statuses={**BEFORE.statuses, "pod-n2": replace(BEFORE.statuses["pod-n2"], restarts=1)})


def test_the_cells_of_a_pod_that_restarted_are_spoiled_and_those_in_trouble_keep_their_reason() -> None:
    seen = session.simulate(SMALL, CELLS, lambda cell, known: expect(SMALL, known, cell)).observations
    theirs = {cell.id for cell in CELLS if cell.vantage.name == "pod-n2"}
    refused = min(theirs)
    seen[refused] = replace(seen[refused], trouble="exec was refused")

    found = stability.spoiled(CELLS, seen, changes(SMALL, BEFORE, RESTARTED))

    assert found.keys() == theirs - {refused}
    assert {one.trouble for one in found.values()} == {
        "the cluster changed while cells were asked: vantage pod-n2 restarted (0 restarts before, 1 after)"
    }
    assert all(found[cell].attempts == seen[cell].attempts for cell in found)


def test_an_api_that_does_not_answer_any_more_leaves_a_note(tmp_path: Path) -> None:
    api, lines = Api(), list[str]()
    with serve(api, tmp_path) as kubeconfig:
        cluster = clusters.Cluster(clusters.connect(str(kubeconfig)), SMALL, "hairpin-mine", "mine")
        cluster.deploy()
        before = cluster.snapshot()
        api.script["GET /api/v1/namespaces/hairpin-mine/endpoints"] = status(401, "Unauthorized")
        changed, notes = stability.look_again(cluster, before, lines.append)

    assert not changed.found
    assert lines == list(notes)
    [note] = notes
    assert note.startswith("whether the cluster changed while cells were asked is not known: list Endpoints")
    assert "401" in note
