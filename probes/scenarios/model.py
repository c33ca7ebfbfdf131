"""The data model of a scenario: what it deploys, what it changes, and what must hold after each change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from probes.contract.load import row
from probes.judging.promise import BackendSet, Promise
from probes.plan.cell import Cell
from topologies.frontends import Frontend, FrontendKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.contract.model import ContractRow, Feature
    from probes.scenarios.changes import ApiChange
    from probes.scenarios.stage import Stage
    from topologies.schema.topology import Vantage, Version

SPARE_APP = "spare"  # the app of a backend that no Service selects
HTTP = "http-"  # begins the promise of an HTTP status at a healthCheckNodePort: `http-503`
SPREAD = 16  # connections that must reach each of two endpoints: chance leaves one out with 2^-15
STICKY = 8  # connections that must reach one endpoint
USUAL = 3  # connections of any other check in a round
REFUSED = 1  # one a round where a refusal is promised: nodes limit ICMP errors to one a second for each client


class AddressKind(StrEnum):
    """The kinds of address that scenarios ask."""

    CLUSTER_IP = "clusterip"
    NODE_PORT = "nodeport"
    LOAD_BALANCER = "loadbalancer"
    HEALTH_CHECK = "healthcheck"
    """A node's healthCheckNodePort."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An address of a Service. `node`: whose NodePort or healthCheckNodePort; `port`: of the Service, 0: its first."""

    service: str
    place: AddressKind
    node: str = ""
    port: int = 0

    @property
    def label(self) -> str:
        """As the plan names frontends: `s-policy.nodeport.n2`; with a second port `s-ports.clusterip-81`."""
        named = f"{self.service}.{self.place}{f'-{self.port}' if self.port else ''}"
        return f"{named}.{self.node}" if self.node else named

    @property
    def frontend(self) -> Frontend:
        """The frontend of the plan that is nearest to it."""
        at_node = self.place in {AddressKind.NODE_PORT, AddressKind.HEALTH_CHECK}
        kind = FrontendKind.NODE_PORT if at_node else FrontendKind(self.place)
        return Frontend(self.service, kind, self.node or None)

    @property
    def predictable(self) -> bool:
        """Whether the oracle knows this address: it knows one port of a Service, and no health checks."""
        return self.place is not AddressKind.HEALTH_CHECK and not self.port


@dataclass(frozen=True, slots=True)
class Check:
    """A promise that must hold after a change, from one client at one address."""

    row_id: str
    client: Vantage
    asked: Asked
    promise: str
    only: frozenset[str] = frozenset()
    """The backends that alone may answer; empty: those that the promise allows."""
    throughout: bool = False
    """Whether every attempt after the change must hold: a connection that fails meanwhile breaks the promise."""
    wait_s: float = 0.0
    """Seconds between two attempts, if the promise needs them. Then all attempts are held against it together."""

    @property
    def row(self) -> ContractRow:
        """The row of the contract."""
        return row(self.row_id)

    @property
    def expected(self) -> Promise | None:
        """The promise as data; None for an HTTP status."""
        return None if self.promise.startswith(HTTP) else Promise.parse(self.promise)

    @property
    def node(self) -> str:
        """The node whose data plane decides: the asked one, else the client's."""
        return self.asked.node or self.client.node or ""

    @property
    def cell(self) -> Cell:
        """The cell of the plan that is nearest to it."""
        return Cell(self.client, self.asked.frontend)

    @property
    def times(self) -> int:
        """How many connections a round makes."""
        if self.wait_s or self.promise == "refused":
            return REFUSED
        sets = {BackendSet.ALL: SPREAD, BackendSet.ONE: STICKY}
        return sets.get(self.expected.backends, USUAL) if self.expected else REFUSED


@dataclass(frozen=True, slots=True)
class Backing:
    """An echo pod of a scenario. `second`: on the second node. `spare`: no Service selects it at first.

    `gated`: the API decides whether it is ready. `lingers`: it keeps serving after its deletion.
    `port`: its HTTP port; `port_name`: the name of that port, for a named targetPort.
    """

    name: str
    app: str
    second: bool = False
    spare: bool = False
    gated: bool = False
    lingers: bool = False
    port: int = 8080
    port_name: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One change and the promises that must hold after it."""

    name: str
    change: ApiChange
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class ContractScenario:
    """A sequence of changes to a small workload. Scenarios share pods that they do not change, and no Service."""

    id: str
    title: str
    rows: tuple[str, ...]
    """The ids of the rows that it asks."""
    backings: tuple[Backing, ...]
    services: tuple[dict[str, Any], ...]
    """The fields of `topologies.schema.workload.Service`."""
    steps: Callable[[Stage], tuple[Step, ...]]
    """Returns the steps on these nodes and with these clients."""
    features: tuple[Feature, ...] = ()
    nodes: int = 1
    """How many nodes it needs."""
    since: Version | None = None
    """The first release that has the fields which it changes."""

    def __str__(self) -> str:
        return self.id
