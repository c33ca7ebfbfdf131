"""Four things broken in a live IPVS lab, one at a time: each turns the right cells red, no more and no fewer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.lab.support.broken import asked, differences, small
from tests.lab.support.settings import SLOW
from topologies.lab.guest.ipvs_support import missing_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SKIPPED = f"this machine's kernel has no IPVS, and in a guest this takes six minutes: {SLOW}=1 runs it"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of two workers, one with the echo pods and one without; its lab is up."""
    if SLOW not in os.environ and missing_modules():
        pytest.skip(SKIPPED)
    with small("test-mutated-ipvs", tmp_path_factory.mktemp("mutated"), mode="ipvs") as file:
        yield file


def test_an_ipvs_lab_with_nothing_broken_has_no_red_cell(topology: Path) -> None:
    told = asked("mutated_ipvs", topology, "none")

    assert not differences(told), differences(told)
    assert not told["seen"]


@pytest.mark.parametrize("mutation", ["virtual-server", "bound-address", "policy", "cni-masquerade"])
def test_what_is_broken_under_ipvs_turns_exactly_its_own_cells_red(mutation: str, topology: Path) -> None:
    told = asked("mutated_ipvs", topology, mutation)

    assert told["kept"], "the damage was repaired while it was asked"
    assert told["foreseen"], "a mutation nobody could notice proves nothing"
    assert not differences(told), differences(told)
    print(f"{mutation}: {len(told['seen'])} of {told['cells']} cells red, all foreseen")


def test_ipvs_answers_a_connection_of_no_service_from_the_address_of_one_that_is_over(topology: Path) -> None:
    """Why cells have turns in ipvs mode (asking/schedule.py). n2 comes from its vxlan device's address both times."""
    told = asked("mixed_up", topology, "42001")

    assert told["node_port"]
    assert told["same"].count(False) == 1  # the endpoint that the NodePort took
    assert all(told["other"])
