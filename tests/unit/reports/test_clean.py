"""`hairpin clean` removes the namespaces of dead runs, by label, and spares what it is told to."""

from __future__ import annotations

import datetime as dt

import pytest

from reports.cli import main
from topologies import cluster
from topologies.cluster import ClusterError, Leftover
from topologies.load import load

NOW = dt.datetime.now(dt.UTC)
OLD, NEW = Leftover("hairpin-old", NOW - dt.timedelta(minutes=90)), Leftover("hairpin-new", NOW)


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is removed from a cluster that has an old and a new namespace."""
    gone: list[str] = []
    monkeypatch.setattr(cluster, "connect", lambda *_: None)
    monkeypatch.setattr(cluster, "leftovers", lambda _: [OLD, NEW])
    monkeypatch.setattr(cluster, "remove", lambda _, leftover: gone.append(leftover.name))
    return gone


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], ["hairpin-old", "hairpin-new"]), (["--older-than", "60"], ["hairpin-old"]), (["--list"], [])],
)
def test_it_removes_what_it_is_told_to(
    options: list[str], expected: list[str], removed: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["clean", *options]) == 0

    assert removed == expected
    assert "namespace hairpin-old" in capsys.readouterr().out


def test_a_cluster_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def refuse(*_: object) -> None:
        message = "list Namespaces: the API server does not answer: is the cluster up?"
        raise ClusterError(message)

    monkeypatch.setattr(cluster, "connect", refuse)

    assert main(["clean"]) == 2
    assert capsys.readouterr().err.startswith("hairpin clean: list Namespaces: the API server does not answer")


def test_a_run_waits_for_the_end_of_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their hostNetwork pods would answer the probes of this run's; runs at work are nobody's business."""
    ending = Leftover("hairpin-gone", NOW, ending=True)
    monkeypatch.setattr(cluster, "leftovers", lambda *_: [OLD, ending])
    mine = cluster.Cluster(api=None, topology=load("lab-small"), namespace="hairpin-mine", run="mine")

    assert mine.alone() == "namespace hairpin-gone is being deleted"
