"""A vendor's page as data: tables of claims, the worlds they need, and how our rules stand to each. Frozen.

A claim is one cell of a table or one statement of the text. It says what the vendor wrote, what that promises
(`claim`), where it can be tried (`cases`: cells of a plan in a world), and our `standing`, with what that needs.
"""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic resolves property types at run time
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from probes.vendor_claims.answer import Answer  # noqa: TC001 - pydantic resolves field types at run time
from topologies.schema.topology import Model, Name, Version

OLDEST, NEWEST = (1, 20), (1, 36)


class Standing(StrEnum):
    """How the rules stand to a claim. `CONDITION`: the claim leaves out a condition without which it is not so."""

    AGREES = "agrees"
    CONDITION = "agrees-under-a-condition"
    CONTRADICTS = "contradicts"
    UNDERIVABLE = "cannot-be-derived"


def _range(value: object) -> object:
    """`1.20-1.23`, `1.24-`, `-1.23` or `1.26`: the first and last minor version."""
    if not isinstance(value, str):
        return value
    first, dash, last = value.partition("-")
    low = Version.parse(first)[:2] if first else OLDEST
    high = (Version.parse(last)[:2] if last else NEWEST) if dash else low
    return low, high


class Versions(Model):
    """Minor versions of Kubernetes, both ends included."""

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
        """`1.20-1.23`, `>= 1.24`, `all`."""
        first, last = (".".join(map(str, end)) for end in (self.first, self.last))
        if (self.first, self.last) == (OLDEST, NEWEST):
            return "all"
        if self.first == self.last:
            return first
        if self.first == OLDEST:
            return f"<= {last}"
        return f">= {first}" if self.last == NEWEST else f"{first}-{last}"


class World(Model):
    """A cluster a claim needs: `base`, a topology of the library, with `stated` and `unstated` conditions as overrides.

    The conditions are what makes the world: a run realises it where its topology has them all.
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
    """Cells of a plan to ask in a world, by their ids without family and protocol; `gives`: what comes, in full.

    `versions` narrows the world's. `rules`: ids that must be among those the oracle names.
    """

    world: str
    ask: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    gives: Answer | None = None
    versions: Versions = Versions()
    rules: tuple[str, ...] = ()


Cases = Annotated[tuple[Case, ...], BeforeValidator(_listed)]


class Claim(Model):
    """One cell of a table, or one statement.

    `says`: the vendor's words. `claim`: what they promise of every case. `otherwise`: cases in which it is the other
    way round: without the `condition` of an agreement, or where what is contradicted does hold. `why`: our reason, with
    its proof (rule, PR, kernel). `checked_by`: a test of ours (path::name) that holds a claim no Service cell can.
    """

    says: str
    claim: Answer | None = None
    standing: Standing
    cases: Cases = ()
    condition: str = ""
    otherwise: Cases = ()
    why: str = ""
    checked_by: str = ""

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
        }
        held, want = wants[self.standing]
        if not held:
            message = f"{self.standing.value} of {self.says!r}: want {want}"
            raise ValueError(message)
        if any(not (self.claim or case.gives) for case in (*self.cases, *self.otherwise)):
            message = f"a case of {self.says!r} promises nothing: want a claim, or what the case gives"
            raise ValueError(message)
        if self.standing is Standing.CONTRADICTS and any(not (self.claim and case.rules) for case in self.cases):
            message = f"{self.says!r} is contradicted by its cases: want a claim, and the rules that contradict"
            raise ValueError(message)
        return self


class Row(Model):
    """A row: its head cells as the vendor has them, then a claim or a plain text for each further column."""

    head: tuple[str, ...] = ()
    cells: tuple[Claim | str, ...]


class Table(Model):
    """A vendor's table (or list of statements, where there are no columns)."""

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
        """The id of the claim in that row (from 1) and column."""
        return f"{self.id}.r{row}.{slug(column)}"

    def claims(self) -> Iterator[tuple[str, Claim]]:
        """(id, claim) of every cell and statement, row by row: `000-D.r2.outcome`, `000-D.s1`."""
        for number, row in enumerate(self.rows, start=1):
            for column, cell in zip(self.columns[len(row.head) :], row.cells, strict=True):
                if isinstance(cell, Claim):
                    yield self.id_of(number, column), cell
        for number, statement in enumerate(self.statements, start=1):
            yield f"{self.id}.s{number}", statement


class Page(Model):
    """All tables of one vendor, and the worlds they need."""

    name: Name
    title: str
    source: str
    about: str = ""
    worlds: dict[str, World] = Field(default_factory=dict)
    tables: tuple[Table, ...]

    @model_validator(mode="after")
    def _worlds_are_known(self) -> Self:
        for name, claim in self.claims():
            for case in (*claim.cases, *claim.otherwise):
                if case.world not in self.worlds:
                    message = f"{name}: got the world {case.world!r}, want one of {sorted(self.worlds)}"
                    raise ValueError(message)
        return self

    def claims(self) -> Iterator[tuple[str, Claim]]:
        """(id, claim) of the whole page, in the vendor's order."""
        for table in self.tables:
            yield from table.claims()


def slug(text: str) -> str:
    """A column's title as a part of an id: `VPC IPVS` -> `vpc-ipvs`, `>=1.24` -> `from-1-24`."""
    words = text.lower().replace(">=", "from ").replace("<", "before ")
    return "-".join("".join(c if c.isalnum() else " " for c in words).split())
