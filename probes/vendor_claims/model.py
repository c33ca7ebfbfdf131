"""The data model of a vendor's page: tables of claims, the worlds that they need, and our standing to each.

A claim is one cell of a table or one statement of the text. It has the vendor's words, the stated result (`claim`),
the cells that test it (`cases`: cells of a plan in a world), and our `standing` with its justification.
"""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic resolves property types at run time
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from probes.contract.model import Selectors
from probes.oracle.upstream import NEWEST, OLDEST
from probes.vendor_claims.answer import ClaimedAnswer
from probes.vendor_claims.publication import ClaimSource, Publication
from topologies.schema.enums import ProxyKind
from topologies.schema.topology import Model, Name, Version


class Standing(StrEnum):
    """The assessment of a claim by the rules.

    `CONDITION`: the claim omits a condition without which it is wrong. `DOCUMENTED`: the claim is about a data plane
    that is not kube-proxy. No rule applies, and only a run of such a cluster can show it.
    """

    AGREES = "agrees"
    CONDITION = "agrees-under-a-condition"
    CONTRADICTS = "contradicts"
    UNDERIVABLE = "cannot-be-derived"
    DOCUMENTED = "documented"


def _range(value: object) -> object:
    """Return the first and last minor version of `1.20-1.23`, `1.24-`, `-1.23` or `1.26`."""
    if not isinstance(value, str):
        return value
    first, dash, last = value.partition("-")
    low = Version.parse(first)[:2] if first else OLDEST
    high = (Version.parse(last)[:2] if last else NEWEST) if dash else low
    return low, high


class Versions(Model):
    """A range of minor versions of Kubernetes, both ends included."""

    first: tuple[int, int] = OLDEST
    last: tuple[int, int] = NEWEST

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        read = _range(value)
        return {"first": read[0], "last": read[1]} if isinstance(read, tuple) else read

    @property
    def minors(self) -> tuple[Version, ...]:
        """Every minor version of the range, oldest first."""
        return tuple(Version(1, minor) for minor in range(self.first[1], self.last[1] + 1))

    def __contains__(self, version: object) -> bool:
        return isinstance(version, tuple) and self.first <= version[:2] <= self.last

    def __str__(self) -> str:
        """Return `1.20-1.23`, `>= 1.24` or `all`."""
        first, last = (".".join(map(str, end)) for end in (self.first, self.last))
        if (self.first, self.last) == (OLDEST, NEWEST):
            return "all"
        if self.first == self.last:
            return first
        if self.first == OLDEST:
            return f"<= {last}"
        return f">= {first}" if self.last == NEWEST else f"{first}-{last}"


class Scenario(Model):
    """A cluster that a claim needs. A run can test the claim if its topology meets all conditions.

    `base` is a topology of the library. `stated` conditions are in the vendor's text, `unstated` ones are not. Both are
    overrides of the base.
    """

    base: str
    about: str = ""
    versions: Versions = Versions()
    stated: dict[str, Any] = Field(default_factory=dict)
    unstated: dict[str, Any] = Field(default_factory=dict)

    @property
    def conditions(self) -> dict[str, Any]:
        """All overrides of the base."""
        return {**self.stated, **self.unstated}


def _listed(value: object) -> object:
    return [value] if isinstance(value, (str, dict)) else value


class Case(Model):
    """Cells that test a claim: cells of a plan in a world, or cells of any cluster of the page's data plane.

    `ask` has the ids of the cells in `world`, without family and protocol. `select` has selectors of cells
    (probes/plan/selection.py), for a data plane that is not kube-proxy. `gives` is the complete result. `versions`
    narrows the world's versions. `rules` are ids that the prediction must contain.
    """

    world: str = ""
    ask: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    select: Selectors | None = None
    gives: ClaimedAnswer | None = None
    versions: Versions = Versions()
    rules: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_its_cells(self) -> Self:
        if self.select is None and not (self.world and self.ask):
            message = "a case names no cells: want world and ask, or select"
            raise ValueError(message)
        if self.select is not None and (self.world or self.ask or self.gives or self.rules):
            message = "a case with select: want no world, ask, gives or rules, because no rule predicts it"
            raise ValueError(message)
        return self


Cases = Annotated[tuple[Case, ...], BeforeValidator(_listed)]


class Claim(Model):
    """One cell of a table, or one statement.

    `quote` has the words of the vendor. `claim` is the result that they state for every case. In the cases of
    `otherwise` the opposite holds: the `condition` of an agreement is not met, or a contradicted claim is right
    there. `why` is our reason with its proof (rule, PR, kernel). `checked_by` is a test (path::name) for a claim that
    no cell covers. `source` is where the vendor states it. `contract` has the ids of the rows of the API's contract
    that are about the same cells (docs/contract.md).
    """

    quote: str
    claim: ClaimedAnswer | None = None
    standing: Standing
    cases: Cases = ()
    condition: str = ""
    otherwise: Cases = ()
    why: str = ""
    checked_by: str = ""
    source: ClaimSource | None = None
    releases: str = ""
    contract: tuple[Name, ...] = ()

    @property
    def from_memory(self) -> bool:
        """Whether the text that states it was not read."""
        return self.source is not None and not self.source.verified

    @model_validator(mode="after")
    def _has_what_its_standing_needs(self) -> Self:
        wants = {
            Standing.AGREES: (self.cases or self.why, "cases or a why"),
            Standing.CONDITION: (
                self.condition and (self.otherwise or self.why),
                "a condition, and otherwise or a why",
            ),
            Standing.CONTRADICTS: (self.why, "a why with the proof"),
            Standing.UNDERIVABLE: (self.why, "a why"),
            Standing.DOCUMENTED: (self.source and (self.cases or self.why), "a source, and cases or a why"),
        }
        held, want = wants[self.standing]
        if not held:
            message = f"{self.standing.value} of {self.quote!r}: want {want}"
            raise ValueError(message)
        if any(not (self.claim or case.gives) for case in (*self.cases, *self.otherwise)):
            message = f"a case of {self.quote!r} promises nothing: want a claim, or what the case gives"
            raise ValueError(message)
        if self.standing is Standing.CONTRADICTS and any(not (self.claim and case.rules) for case in self.cases):
            message = f"{self.quote!r} is contradicted by its cases: want a claim, and the rules that contradict"
            raise ValueError(message)
        if self.from_memory and self.standing not in {Standing.UNDERIVABLE, Standing.DOCUMENTED}:
            message = f"{self.standing.value} of {self.quote!r}: want cannot-be-derived of a claim from memory"
            raise ValueError(message)
        return self


class Row(Model):
    """A row: the vendor's head cells, then a claim or plain text for each further column."""

    head: tuple[str, ...] = ()
    cells: tuple[Claim | str, ...]


class Table(Model):
    """A vendor's table, or a list of statements if there are no columns."""

    id: str
    title: str
    about: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    statements: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _rows_fill_the_columns(self) -> Self:
        for row in self.rows:
            if len(row.head) + len(row.cells) != len(self.columns):
                message = (
                    f"table {self.id}: row {list(row.head)} has {len(row.head) + len(row.cells)} cells, "
                    f"want {len(self.columns)}: {list(self.columns)}"
                )
                raise ValueError(message)
        return self

    def id_of(self, row: int, column: str) -> str:
        """Return the id of the claim in this row (from 1) and column."""
        return f"{self.id}.r{row}.{slug(column)}"

    def claims(self) -> Iterator[tuple[str, Claim]]:
        """Yield (id, claim) of every cell and statement, row by row: `000-D.r2.outcome`, `000-D.s1`."""
        for number, row in enumerate(self.rows, start=1):
            for column, cell in zip(self.columns[len(row.head) :], row.cells, strict=True):
                if isinstance(cell, Claim):
                    yield self.id_of(number, column), cell
        for number, statement in enumerate(self.statements, start=1):
            yield f"{self.id}.s{number}", statement


class Page(Model):
    """All tables of one vendor, and the worlds that they need.

    `proxy` is what serves Services in the clusters that the page is about. With anything but kube-proxy no claim is
    compared with kube-proxy's rules. `publications` are the texts that the sources of its claims name.
    """

    name: Name
    title: str
    source: str
    about: str = ""
    proxy: ProxyKind = ProxyKind.KUBE_PROXY
    publications: dict[str, Publication] = Field(default_factory=dict)
    worlds: dict[str, Scenario] = Field(default_factory=dict)
    tables: tuple[Table, ...]

    @property
    def by_rules(self) -> bool:
        """Whether kube-proxy's rules apply to its claims."""
        return self.proxy is ProxyKind.KUBE_PROXY

    @model_validator(mode="after")
    def _worlds_are_known(self) -> Self:
        for name, claim in self.claims():
            for case in (*claim.cases, *claim.otherwise):
                if self.by_rules and case.world not in self.worlds:
                    message = f"{name}: got the world {case.world!r}, want one of {sorted(self.worlds)}"
                    raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _claims_are_about_its_data_plane(self) -> Self:
        for name, claim in self.claims():
            if (claim.standing is Standing.DOCUMENTED) is self.by_rules:
                want = "a standing by the rules" if self.by_rules else str(Standing.DOCUMENTED)
                message = f"{name}: got {claim.standing} on a page about {self.proxy}, want {want}"
                raise ValueError(message)
            if any((case.select is None) is not self.by_rules for case in (*claim.cases, *claim.otherwise)):
                want = "world and ask" if self.by_rules else "select"
                message = f"{name}: got another kind of case on a page about {self.proxy}, want {want}"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _sources_are_published(self) -> Self:
        for name, claim in self.claims():
            if self.publications and claim.source is None:
                message = f"{name}: got no source, want one: the page lists publications"
                raise ValueError(message)
            if claim.source and claim.source.of and claim.source.of not in self.publications:
                message = f"{name}: got the publication {claim.source.of!r}, want one of {sorted(self.publications)}"
                raise ValueError(message)
        return self

    def claims(self) -> Iterator[tuple[str, Claim]]:
        """Yield (id, claim) of the whole page, in the vendor's order."""
        for table in self.tables:
            yield from table.claims()


def slug(text: str) -> str:
    """Return a column's title as a part of an id: `VPC IPVS` -> `vpc-ipvs`, `>=1.24` -> `from-1-24`."""
    words = text.lower().replace(">=", "from ").replace("<", "before ")
    return "-".join("".join(c if c.isalnum() else " " for c in words).split())
