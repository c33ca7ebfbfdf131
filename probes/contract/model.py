"""The data model of the contract: one row is one promise about a client, a frontend, policies and endpoints.

A row is asked by cells of the matrix (`asks`), needs a change while it is asked (`scenario`), or cannot be asked
(`not_asked`, with the reason). A row about the state of endpoints can be both: a topology declares the state, or a
scenario brings it about.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from probes.contract.sources import RANKED, Level, Sources, format_minor
from probes.judging.promise import Promise, PromiseError
from topologies.schema.network import Model
from topologies.schema.scalars import Name, SomeText, Version


class Subject(StrEnum):
    """The part of a cluster that a promise is about."""

    SERVICES = "services"
    POD_NETWORK = "pod-network"
    LOAD_BALANCER = "load-balancer"


class Feature(StrEnum):
    """Something that a cluster may not have, and without which a row cannot be asked."""

    LOAD_BALANCER = "load-balancer"
    OUTSIDE_CLIENT = "outside-client"
    EXTERNAL_IPS = "external-ips"
    ALL_NODE_ADDRESSES = "all-node-addresses"
    UDP = "udp"
    SCTP = "sctp"
    DUAL_STACK = "dual-stack"
    ZONES = "zones"


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _as_selectors(value: object) -> object:
    """Read a list of values as the tuple that selectors take."""
    if not isinstance(value, dict):
        return value
    return {key: tuple(one) if isinstance(one, list) else one for key, one in value.items()}


Selectors = Annotated[dict[str, Any], BeforeValidator(_as_selectors)]


class ContractRow(Model):
    """One promise."""

    id: Name
    """Stable: reports and baselines name a row by it."""
    number: Annotated[int, Field(ge=1)]
    """Stable, for tables."""
    subject: Subject = Subject.SERVICES
    """What the promise is about."""
    level: Level
    """The level in the newest release."""
    sentence: SomeText
    """The promise."""
    promise: str = ""
    """Outcome, source and backends as `suites` write them: `ok kept`, `refused`, `unanswered`. Empty: nothing is
    promised, and the row reports what happens."""
    asks: Annotated[tuple[Selectors, ...], BeforeValidator(_listed)] = ()
    """Selectors of cells (probes/plan/selection.py), one mapping for each group of cells."""
    scenario: str = ""
    """The change that must happen while the row is asked, if no topology declares the state."""
    not_asked: str = ""
    """Why no cell and no scenario can ask it."""
    features: tuple[Feature, ...] = ()
    """What the cluster needs."""
    network_may_masquerade: bool = False
    """A source that the pod network changed on the way to the node breaks no promise."""
    sources: Sources
    """Where it is written."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        ways = [name for name in ("asks", "scenario", "not_asked") if getattr(self, name)]
        if len(ways) != 1 and ways != ["asks", "scenario"]:
            got, want = " and ".join(ways) or "nothing", "asks, scenario or both, or not_asked"
            message = f"row {self.id}: got {got}, want {want}"
            raise ValueError(message)
        if self.level is not self.level_at(NEWEST_VERSION):
            message = f"row {self.id}: got level {self.level}, want {self.level_at(NEWEST_VERSION)} as its sources"
            raise ValueError(message)
        if self.asks and bool(self.promise) is (self.level is Level.UNSPECIFIED):
            message = f"row {self.id}: got promise {self.promise!r} at {self.level}, want one unless it is unspecified"
            raise ValueError(message)
        self._read_promise()
        return self

    def _read_promise(self) -> None:
        try:
            self.expected  # noqa: B018 - reads the text
        except PromiseError as error:
            message = f"row {self.id}: {error}"
            raise ValueError(message) from error

    @cached_property
    def expected(self) -> Promise | None:
        """The promise as data; None if nothing is promised."""
        return Promise.parse(self.promise) if self.promise else None

    def level_at(self, version: Version) -> Level:
        """Return the level in a version: that of its strongest source then."""
        return min((source.level_at(version) for source in self.sources), key=RANKED.index)

    @property
    def why_no_cells(self) -> str:
        """Why cells alone do not ask it; empty if they do."""
        return f"needs a change while it is asked: {self.scenario}" if self.scenario else self.not_asked

    @property
    def verified(self) -> bool:
        """Whether a source was read that promises this."""
        return any(source.verified for source in self.sources)

    @property
    def since(self) -> str:
        """The first release in which the row has its level, or an empty string if it is 1.21 or older."""
        reached = [one for one in self.sources if one.level_at(NEWEST_VERSION) is self.level]
        firsts = [one.since for one in reached]
        if not firsts or None in firsts:
            return ""
        first = min(one for one in firsts if one)
        return format_minor(first)


NEWEST_VERSION = Version(1, 37)


class ContractRows(Model):
    """The rows of one file."""

    title: SomeText
    rows: tuple[ContractRow, ...]
