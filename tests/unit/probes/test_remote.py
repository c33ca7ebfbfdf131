"""Both ends of the pipes, the asking itself simulated: a door that leads to `behind.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes import remote
from probes.oracle.oracle import expect
from probes.plan import plan
from probes.session import Options, simulate
from topologies.cluster import ClusterError
from topologies.load import load
from topologies.model import Ssh

if TYPE_CHECKING:
    from probes.observation import Observation
    from probes.session import Answers

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells[:5]
DOOR = (sys.executable, str(Path(__file__).with_name("behind.py")))
OPTIONS = Options(ssh=Ssh(key="/keys/k"), connect_timeout=3)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def heard() -> list[dict[str, Observation]]:
    return []


def conduct(said: list[str], heard: list[dict[str, Observation]], **more: object) -> Answers:
    return remote.conduct(DOOR, TOPOLOGY, CELLS, "r1", OPTIONS, say=said.append, heard=heard.append, **more)  # type: ignore[arg-type]


def test_all_that_is_told_there_arrives_here(
    monkeypatch: pytest.MonkeyPatch, said: list[str], heard: list[dict[str, Observation]]
) -> None:
    monkeypatch.setenv("WORLD", "works")
    settled: list[Answers] = []

    answers = conduct(said, heard, before_asking=settled.append)

    direct = simulate(TOPOLOGY, CELLS, lambda cell, snapshot: expect(TOPOLOGY, snapshot, cell))
    assert answers == direct
    assert said == ["asking 5 cells in r1, 3.0 s, /keys/k"]
    assert [len(told) for told in heard] == [2, 3]  # nothing is told twice
    assert [(known.snapshot, known.timings, known.notes) for known in settled] == [
        (direct.snapshot, {"settle": 1.0}, ("a note",))
    ]


def test_why_the_cluster_could_not_be_tested_arrives_too(
    monkeypatch: pytest.MonkeyPatch, said: list[str], heard: list[dict[str, Observation]]
) -> None:
    monkeypatch.setenv("WORLD", "fails")

    with pytest.raises(ClusterError, match="there is no cluster"):
        conduct(said, heard)


def test_a_process_that_ends_early_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, said: list[str], heard: list[dict[str, Observation]]
) -> None:
    monkeypatch.setenv("WORLD", "ends")

    with pytest.raises(ClusterError, match="ended with status 3 and no answer"):
        conduct(said, heard)


def test_a_door_that_takes_no_order_is_no_answer() -> None:
    with pytest.raises(ClusterError, match="ended with status 1 and no answer"):
        remote.conduct(("false",), TOPOLOGY, CELLS, "r1", OPTIONS, say=print)


def test_who_orders_and_goes_has_the_workload_taken_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.setenv("WORLD", "slow")
    monkeypatch.setenv("LEFT", str(tmp_path / "left"))

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote.conduct(DOOR, TOPOLOGY, CELLS, "r1", OPTIONS, say=said.append, heard=interrupted)

    assert (tmp_path / "left").read_text() == "taken away"
