"""The cells of a plan that a row of the contract is about, and what a cluster lacks for a row. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.contract.model import Feature
from probes.plan.selection import select_promised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from probes.contract.model import ContractRow
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology


def _never(_topology: Topology) -> bool:
    return False


FEATURES: dict[Feature, Callable[[Topology], bool]] = {
    Feature.LOAD_BALANCER: lambda topology: topology.load_balancer.exists,
    Feature.OUTSIDE_CLIENT: lambda topology: bool(topology.external),
    Feature.EXTERNAL_IPS: lambda topology: topology.proxy.allow_external_ips,
    Feature.ALL_NODE_ADDRESSES: lambda topology: not topology.proxy.node_port_addresses,
    Feature.ZONES: lambda topology: len({node.zone for node in topology.nodes if node.zone}) > 1,
    Feature.UDP: _never,
    Feature.SCTP: _never,
    Feature.DUAL_STACK: _never,
}


def lacking(row: ContractRow, topology: Topology) -> str:
    """Return the features that the row needs and the cluster does not have, or an empty string."""
    return ", ".join(feature for feature in row.features if not FEATURES[feature](topology))


def cells_of_row(row: ContractRow, cells: Iterable[Cell], topology: Topology) -> list[Cell]:
    """Return the cells that ask a row, in the order of the plan.

    Raises:
        SelectionError: a selector of the row is misspelt.

    """
    if lacking(row, topology):
        return []
    planned = list(cells)
    chosen = {cell.id for asked in row.asks for cell in select_promised(planned, topology, asked)}
    return [cell for cell in planned if cell.id in chosen]
