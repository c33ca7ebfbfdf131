"""The declared deviations of a topology: whether each names a cell, an outcome and addresses that can be judged."""

from __future__ import annotations

import fnmatch
import re
from ipaddress import AddressValueError
from typing import TYPE_CHECKING

from probes.observation import Outcome
from topologies.common.addresses import IPAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.plan.cell import Cell
    from topologies.schema.topology import Deviation, Topology


def complaints(topology: Topology, cells: Iterable[Cell]) -> list[str]:
    """Return what is wrong with the topology's deviations, as path, found and expected; empty if nothing is."""
    ids = [cell.id for cell in cells]
    return [
        f"deviations[{index}].{complaint}"
        for index, deviation in enumerate(topology.deviations)
        for complaint in _complaints(deviation, ids)
    ]


def _complaints(deviation: Deviation, cells: list[str]) -> Iterator[str]:
    if not any(map(re.compile(fnmatch.translate(deviation.cells)).match, cells)):
        yield f"cells: got {deviation.cells!r}, want a pattern of a cell's id: pytest --collect-only -q shows them"
    if deviation.outcome not in {outcome.value for outcome in Outcome}:
        yield f"outcome: got {deviation.outcome!r}, want one of {', '.join(Outcome)}"
    for index, source in enumerate(deviation.sources):
        try:
            IPAddress(source)
        except AddressValueError as error:
            yield f"sources[{index}]: got {source!r} ({error}), want an IPv4 address"
