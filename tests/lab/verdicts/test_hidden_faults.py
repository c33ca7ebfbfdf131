"""A fault in a cluster that is known only by its kubeconfig is red: neither discovery nor an unknown fact hides it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.lab.support.settings import SLOW
from tests.lab.support.small import inside
from tests.lab.support.somebodys import NAME, check, read_run, somebodys
from topologies.lab.sandbox import locate
from topologies.lab.state import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.lab.support.somebodys import Somebodys

MARKED = ("-m", "mark", "--mark", "0x4000/0x4000")


class Fault(NamedTuple):
    """What is broken while the cluster is checked, and which cells show it whatever the unknown facts are."""

    broken: Callable[[], AbstractContextManager[None]]
    shows: Callable[[dict[str, Any]], bool]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Somebodys]:
    """A cluster of four workers with flannel, whose declaration is hidden."""
    with somebodys("lab-flannel", tmp_path_factory.mktemp("hidden")) as cluster:
        yield cluster


@contextmanager
def rule(node: str, table: str, chain: str, *words: str) -> Iterator[None]:
    """Put an iptables rule first in a chain of a node, as another agent on the node would; remove it afterwards."""
    inside(NAME, node, "iptables", "-t", table, "-I", chain, "1", *words)
    try:
        yield
    finally:
        inside(NAME, node, "iptables", "-t", table, "-D", chain, *words)


@contextmanager
def stopped_proxy(node: str) -> Iterator[None]:
    """Stop a node's kube-proxy: the node gets no rules for the Services of the run."""
    pid = str(read(locate(NAME).node(node) / "daemons.json")["kube-proxy"])
    inside(NAME, node, "kill", "-STOP", pid)
    try:
        yield
    finally:
        inside(NAME, node, "kill", "-CONT", pid)


def asks_node_port(node: str, record: dict[str, Any]) -> bool:
    """Whether the cell asks a NodePort at this node's address, from another node, and only an answer is expected."""
    cell, expected = record["cell"], record["expected"]
    elsewhere = cell["frontend"] == f"nodeport.{node}" and cell["vantage_node"] != node
    return bool(elsewhere and expected["outcomes"] == ["ok"])


def masquerades(node: str, record: dict[str, Any]) -> bool:
    """Whether the cell asks a ClusterIP from this node itself, and only a masqueraded source is expected.

    With session affinity the one backend may be on another node: flannel's own rule masquerades on the way there.
    """
    cell, expected = record["cell"], record["expected"]
    itself = cell["frontend"] == "clusterip" and cell["vantage"] == f"host-{node}" and not expected["sticky"]
    return bool(itself and expected["sources"] and not any(source["kept"] for source in expected["sources"]))


FAULTS = {
    "mark for masquerade cleared on n1": Fault(
        partial(rule, "n1", "mangle", "POSTROUTING", *MARKED, "-j", "MARK", "--set-xmark", "0x0/0x4000"),
        partial(masquerades, "n1"),
    ),
}
MORE = {  # a run waits 60 s for a kube-proxy that does not answer
    "kube-proxy stopped on n2": Fault(partial(stopped_proxy, "n2"), partial(asks_node_port, "n2")),
    "NodePort range dropped on n3": Fault(
        partial(rule, "n3", "raw", "PREROUTING", "-p", "tcp", "--dport", "30000:32767", "-j", "DROP"),
        partial(asks_node_port, "n3"),
    ),
}


@pytest.mark.parametrize("name", [*FAULTS, *MORE] if SLOW in os.environ else FAULTS)
def test_a_fault_in_a_hidden_cluster_is_red(
    name: str, cluster: Somebodys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {**FAULTS, **MORE}[name]
    with fault.broken():
        done = check(cluster, tmp_path / "out")
    records = read_run(tmp_path / "out")["records"]

    red = [record["cell"]["id"] for record in records if record["verdict"] == "fail"]
    shown = [record for record in records if fault.shows(record)]
    with capsys.disabled():
        headline = " ".join(done.stdout.split("= hairpin =")[-1].split("\n\n")[0].split()[1:])
        sys.stdout.write(f"\n{name}: {len(red)} of {len(records)} cells red, {len(shown)} must be: {headline}\n")
    assert done.returncode == 1
    assert shown
    assert [(record["cell"]["id"], record["verdict"]) for record in shown if record["verdict"] != "fail"] == []
