"""Loads the rows of the contract from data/*.yaml.

Raises ContractError if a file cannot be read or its rows are not valid.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from probes.contract.model import ContractRow, ContractRows
from topologies.common.errors import HairpinError
from topologies.loading.package_data import read_table

FOLDER = Path(__file__).with_name("data")
NAMES = ("cluster-ip", "node-port", "load-balancer", "endpoints", "traffic-policies", "pod-network")


class ContractError(HairpinError):
    """The rows are not valid. The message lists every error with its place."""


@cache
def tables() -> tuple[ContractRows, ...]:
    """Return the rows by file, in a fixed order.

    Raises:
        ContractError: a file cannot be read, its rows are not valid, or two rows have one id or number.

    """
    found = tuple(read_table(FOLDER / f"{name}.yaml", ContractRows, ContractError) for name in NAMES)
    every = [row for table in found for row in table.rows]
    for field in ("id", "number"):
        values = [getattr(row, field) for row in every]
        if twice := sorted({str(one) for one in values if values.count(one) > 1}):
            message = f"{FOLDER.name}/*.yaml: {field}: got {', '.join(twice)} twice, want each once. Rename a row."
            raise ContractError(message)
    return found


def rows() -> tuple[ContractRow, ...]:
    """Return every row, by number."""
    return tuple(sorted((row for table in tables() for row in table.rows), key=lambda row: row.number))


def row(name: str) -> ContractRow:
    """Return the row with this id; LookupError if there is none."""
    for one in rows():
        if one.id == name:
            return one
    message = f"contract row: got {name!r}, want one of {', '.join(one.id for one in rows())}"
    raise LookupError(message)
