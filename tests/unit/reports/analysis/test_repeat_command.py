"""The command that a report shows beside a cell probes this cell of this cluster."""

from __future__ import annotations

import shlex

import pytest

from reports.analysis.repeat_command import format_command, repeat_command
from tests.unit.support.broken_cluster import run_of

CELL = "pod-n1-to-web-np.nodeport.n2-v4-tcp"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("pytest --topology=./mine.yaml --kubeconfig=/k -n auto -q", ["--topology=./mine.yaml", "--kubeconfig=/k"]),
        ("pytest --topology lab-flannel --simulate -k x and y", ["--topology=lab-flannel", "--simulate"]),
        ("pytest --topology=one --topology=two", ["--topology=two"]),
        ("pytest", ["--topology=lab-flannel"]),
        ("pytest -k 'torn", ["--topology=lab-flannel"]),
        ("pytest --context=a;b", ["--topology=lab-flannel", "--context=a;b"]),
        ("", ["--topology=lab-flannel"]),
        ("pytest --namespace netcheck", ["--topology=lab-flannel", "--namespace=netcheck"]),
        ("pytest --every-node --samples=40 --keep", ["--topology=lab-flannel", "--every-node", "--samples=40"]),
        ("pytest --with a=1 --with=b=2 -q", ["--topology=lab-flannel", "--with=a=1", "--with=b=2"]),
        ("pytest --balancer-settle=0 --out=/x", ["--topology=lab-flannel", "--balancer-settle=0"]),
    ],
)
def test_the_options_that_choose_the_cluster_and_its_cells_stay(command: str, options: list[str]) -> None:
    words = shlex.split(repeat_command(run_of("none").model_copy(update={"command": command}), CELL))

    assert words == ["pytest", *options, "-k", CELL]


def test_an_override_with_spaces_is_quoted_in_a_runs_command_and_stays_whole_when_a_cell_is_repeated() -> None:
    command = format_command(["--topology=lab-contract", "--with", "proxy={kind: other}", "-k", "web and not lb"])
    words = shlex.split(repeat_command(run_of("none").model_copy(update={"command": command}), CELL))

    assert command == "pytest --topology=lab-contract --with 'proxy={kind: other}' -k 'web and not lb'"
    assert words == ["pytest", "--topology=lab-contract", "--with=proxy={kind: other}", "-k", CELL]
