"""The parts of a record, as they stand in `run.json`: plain frozen data without behaviour."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from probes.observation import Outcome
from topologies.common.addresses import IPAddress

Seconds = Annotated[float, PlainSerializer(lambda value: round(value, 4), return_type=float)]


def is_empty(value: object) -> bool:
    """Return whether a key is not written: it came with scenarios, and runs without them stay as they were."""
    return not value


class ReportModel(BaseModel):
    """Frozen. Unknown keys are ignored on reading: an addition to the schema must not break an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Address(ReportModel):
    """An IPv4 address and the name it has in this topology (`vtep(n1)`, `pod-n1`; the bare address if it has none).

    `kept`: it is the address the client's own socket had, so nothing on the way changed it.
    """

    address: IPAddress
    name: str
    kept: bool = False

    @property
    def label(self) -> str:
        """Return the name, or `kept`."""
        return "kept" if self.kept else self.name


class Seen(Address):
    """A source address the backend saw, and in how many attempts."""

    count: int


class CellKey(ReportModel):
    """A cell's coordinates. `vantage_node` is None for an external host; `frontend` is the label in the cell id."""

    id: str
    vantage: str
    vantage_kind: str
    vantage_node: str | None = None
    service: str
    frontend: str
    frontend_kind: str
    family: str
    protocol: str


class ExpectedPath(ReportModel):
    """One allowed path: outcome, sources and backend belong together. `share`: its probability, 0 to 1."""

    outcome: Outcome
    sources: tuple[Address, ...] = ()
    backend: str | None = None
    share: float = 1.0
    rules: tuple[str, ...] = ()
    by_icmp: bool = False


class Expected(ReportModel):
    """The set of allowed answers. `sticky`: all attempts reach one backend. `summary` has it in one line.

    `sticky_per_node`, if not 0: a load balancer selects a node for each connection, and the attempts of each node reach
    one backend. The value is the largest share of the nodes that may give the same answer.

    `possible`: how many results unknown facts leave; with more than one, `paths` are those of all, and shares mean
    nothing. 0: nothing can be expected. `sharpened_by`: the unknown facts that would leave fewer results if known.
    """

    summary: str
    outcomes: tuple[Outcome, ...] = ()
    sources: tuple[Address, ...] = ()
    backends: tuple[str, ...] = ()
    sticky: bool = False
    sticky_per_node: float = 0.0
    possible: int = 1
    sharpened_by: tuple[str, ...] = ()
    paths: tuple[ExpectedPath, ...] = ()


class Try(ReportModel):
    """One attempt (a fresh connection). Keys that hold their default are left out of the JSON. Times in seconds.

    `loaded`: lost while our own load brought answers near their time limit; it does not count. `under_load`: made in
    that time, lost or not.
    """

    outcome: Outcome
    source: Address | None = None
    backend: str | None = None
    seconds: Seconds = 0.0
    exit_code: int = 0
    message: str = ""
    http_status: int = 0
    local: str = ""
    remote: str = ""
    scout: bool = False
    loaded: bool = False
    under_load: bool = False

    @model_serializer(mode="wrap")
    def _compact(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if key == "outcome" or value}


class Observed(ReportModel):
    """What came back. `trouble`: why it could not be asked, or empty.

    `outcomes`, `sources` and `backends` are those of the attempts that count (see `Try`). `sure`: the silent cell was
    silent when the node had an ICMP error to spare. `unsure`: there was no time to find out. `load`: the latencies
    because of which it was probed again at low load.
    """

    summary: str
    outcomes: dict[Outcome, int] = Field(default_factory=dict)
    sources: tuple[Seen, ...] = ()
    backends: dict[str, int] = Field(default_factory=dict)
    attempts: tuple[Try, ...] = ()
    trouble: str = ""
    sure: bool = False
    unsure: bool = False
    load: str = ""

    @property
    def counted(self) -> tuple[Try, ...]:
        """Return the attempts that count: all except those that our own load may have lost."""
        return tuple(one for one in self.attempts if not one.loaded)


class Line(ReportModel):
    """A line of the account: `asked`, `because`, `expected`, `observed`, `evidence` and its text."""

    label: str
    text: str


class ChangedFact(ReportModel):
    """One change of a declaration, or one fault: `path` becomes `value` (it `was` declared), in words: `text`."""

    path: str
    value: JsonValue = None
    was: JsonValue = None
    text: str = ""


class StoredExplanation(ReportModel):
    """A smallest set of changes under which failed cells are as expected. Without changes: nothing tried explains them.

    `certain`: it is the only one that explains all cells. `alternatives`: other changes that predict the same for
    every cell, so that this run cannot distinguish them. `explained`: the failed cells that it explains, of `red`;
    `contradicted`: how many passed cells would fail.
    """

    text: str
    certain: bool = False
    changes: tuple[ChangedFact, ...] = ()
    alternatives: tuple[tuple[ChangedFact, ...], ...] = ()
    explained: tuple[str, ...] = ()
    red: int = 0
    contradicted: int = 0


def write_schema(model: type[BaseModel], title: str) -> str:
    """Return the JSON schema of a model under a title, ending in a newline."""
    written = model.model_json_schema(mode="validation")
    written["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    written["title"] = title
    return json.dumps(written, indent=2, sort_keys=True) + "\n"
