"""Four things broken in a live lab, one at a time: each turns the right cells red, no more and no fewer.

Which cells those are is foreseen by an oracle in which the same thing is broken at the same place (`mutated.py`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.support.broken import asked, small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of two workers, one with the echo pods and one without; its lab is up."""
    with small("test-mutated", tmp_path_factory.mktemp("mutated")) as file:
        yield file


def differences(told: dict[str, Any]) -> str:
    """Every cell that is red and should not be, or should be and is not, with its account."""
    more = [told["seen"][cell] for cell in told["seen"] if cell not in told["foreseen"]]
    fewer = [told["foreseen"][cell] for cell in told["foreseen"] if cell not in told["seen"]]
    unclear = list(told["unclear"].values())
    parts = (("red but not foreseen", more), ("foreseen but not red", fewer), ("inconclusive", unclear))
    return "\n".join(f"{len(found)} {what}:\n" + "\n".join(found) for what, found in parts if found)


def test_a_lab_with_nothing_broken_has_no_red_cell(topology: Path) -> None:
    told = asked("mutated", topology, "none")

    assert not differences(told), differences(told)
    assert not told["seen"]


@pytest.mark.parametrize("mutation", ["cluster-ip-jump", "local-jump", "masquerade", "policy", "proxy"])
def test_what_is_broken_turns_exactly_its_own_cells_red(mutation: str, topology: Path) -> None:
    told = asked("mutated", topology, mutation)

    assert told["kept"], "the damage was repaired while it was asked"
    assert told["foreseen"], "a mutation nobody could notice proves nothing"
    assert not differences(told), differences(told)
    print(f"{mutation}: {len(told['seen'])} of {told['cells']} cells red, all foreseen")
