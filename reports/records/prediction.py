"""The expected answers of every cell of a topology, without a cluster: plain data, written as JSON.

The JSON schema is made from these models: `python -m reports.records.prediction > docs/prediction.schema.json`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, JsonValue, TypeAdapter

from probes.oracle.address_names import AddressNames
from probes.oracle.client import client_packet
from probes.oracle.environment import Environment
from probes.oracle.predict import model_cluster, predict
from probes.plan.plan import plan
from reports.records import record
from reports.records.run import DeclaredTopology, OmittedCell
from reports.records.schema import CellKey, Expected, ReportModel, write_schema
from reports.records.sharpness import Sharpness
from topologies.cluster_state.snapshot import declared
from topologies.frontends import UnresolvedError, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.oracle.connection import ClusterModel
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.common.addresses import IPAddress
    from topologies.schema.topology import Topology


class Predicted(ReportModel):
    """One cell and what must come back. `trouble`: why nothing can be predicted; then `expected` is empty."""

    cell: CellKey
    target: str = ""
    expected: Expected
    because: str = ""
    rules: tuple[str, ...] = ()
    trouble: str = ""


class Prediction(ReportModel):
    """Every planned cell of a topology, in plan order, with its environment and what the plan left out."""

    schema_version: Literal["1"] = "1"
    kind: Literal["prediction"] = "prediction"
    told: str = ""
    """The kube-proxy in words: `kube-proxy 1.24.6 ipvs`."""
    environment: dict[str, JsonValue] = Field(default_factory=dict)
    topology: DeclaredTopology
    overrides: dict[str, JsonValue] = Field(default_factory=dict)
    sharpness: Sharpness = Sharpness()
    cells: tuple[Predicted, ...] = ()
    omissions: tuple[OmittedCell, ...] = ()

    @classmethod
    def of(
        cls, topology: Topology, overrides: dict[str, JsonValue] | None = None, snapshot: Snapshot | None = None
    ) -> Self:
        """Predict a whole topology.

        Args:
            topology: The declared cluster.
            overrides: Those that were applied to it.
            snapshot: What the API of this cluster reported; None: the state that the topology declares.

        Raises:
            UnsupportedMode: The oracle has no rules for this kube-proxy.

        """
        planned, snapshot = plan(topology), snapshot or declared(topology)
        model = model_cluster(topology, snapshot)
        environment, known = Environment.of(topology), AddressNames.of(topology, snapshot)
        cells = tuple(predict_cell(model, cell, known) for cell in planned.cells)
        return cls(
            told=str(model.environments[""]),
            environment=TypeAdapter(Environment).dump_python(environment, mode="json"),
            topology=DeclaredTopology.of(topology),
            overrides=overrides or {},
            sharpness=Sharpness.of(one.expected for one in cells),
            cells=cells,
            omissions=tuple(OmittedCell.of(omission) for omission in planned.omissions),
        )


def predict_cell(model: ClusterModel, cell: Cell, known: AddressNames) -> Predicted:
    """Return what must come back for one cell; `known`: the owner of each address."""
    topology, snapshot = model.topology, model.snapshot
    try:
        target = resolve(cell.frontend, topology, snapshot)
        expectation = predict(model, cell)
    except UnresolvedError as error:
        return Predicted(cell=record.cell_key(cell), expected=Expected(summary="not predicted"), trouble=str(error))
    return Predicted(
        cell=record.cell_key(cell),
        target=str(target),
        expected=record.record_expectation(expectation, name_for(topology, snapshot, cell, known)),
        because=expectation.because,
        rules=expectation.rules,
    )


def name_for(topology: Topology, snapshot: Snapshot, cell: Cell, names: AddressNames) -> Callable[[IPAddress], str]:
    """Return the function that names addresses in this cell: the client's own is `kept`, others `cni0(n1)`."""
    own = client_packet(cell.vantage, topology, snapshot).source
    return lambda address: names.shorten(address, own)


def schema() -> str:
    """Return the JSON schema of a prediction, ending in a newline."""
    return write_schema(Prediction, "A Hairpin prediction")


if __name__ == "__main__":
    sys.stdout.write(schema())
