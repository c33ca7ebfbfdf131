"""Infer the values of facts: which candidates are consistent with all that was observed.

Each fact is tried alone: the other known facts stay as declared, the other unknown ones unknown. A value does not fit
if a cell fails under it that passes under another value. Cells that fail under every value show nothing about the fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.diagnosis.change import FactChange, format_value
from probes.diagnosis.hypothesis import Hypothesis, prediction_key
from probes.diagnosis.search import IMPOSSIBLE, Search
from probes.diagnosis.time_budget import TimeBudget
from probes.judging.verdict import Result
from probes.oracle.forking import deciding_facts
from topologies.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probes.diagnosis.hypothesis import Key
    from probes.judging.run_judge import Judge
    from probes.plan.cell import Cell
    from topologies.schema.topology import Topology

ENDLESS = TimeBudget(float("inf"))


@dataclass(frozen=True, slots=True)
class Inference:
    """The values of one fact that fit the observations."""

    path: str
    declared: object
    """None if the fact is unknown."""
    candidates: tuple[object, ...]
    """The values that were tried."""
    fitting: tuple[object, ...]
    """Those that fit."""
    is_read: bool = True
    """Whether the candidates predict different results for any cell of the run."""

    @property
    def only(self) -> object:
        """The only value that fits; None if none or several do."""
        return self.fitting[0] if len(self.fitting) == 1 < len(self.candidates) else None

    @property
    def is_news(self) -> bool:
        """Whether the only value that fits is not the declared one."""
        return self.only is not None and self.only != self.declared

    @property
    def text(self) -> str:
        """The statement: `kernel.rp_filter: 0 is the only one of 3 that fits`."""
        return f"{self.path}: {self._statement()}{self._beside()}"

    def _statement(self) -> str:
        if not self.is_read or len(self.fitting) == len(self.candidates):
            return "not distinguishable here"
        if self.only is not None:
            return f"{format_value(self.only)} is the only one of {len(self.candidates)} that fits"
        others = [format_value(one) for one in self.candidates if one not in self.fitting]
        fit = " or ".join(map(format_value, self.fitting))
        return f"{fit} fits, {', '.join(others)} does not" if fit else f"none of {len(self.candidates)} values fits"

    def _beside(self) -> str:
        if self.declared is None or self.declared in self.fitting:
            return ""
        return f" (declared: {format_value(self.declared)})"


def infer(judge: Judge, cells: Sequence[Cell], paths: Iterable[str]) -> tuple[Inference, ...]:
    """Return what the observations of a run show about these facts.

    Args:
        judge: A new judge of the run, under its own declaration.
        cells: All cells of the run.
        paths: The facts: `cni.masquerade`, `nodes.n2.kernel.rp_filter`.

    """
    search = Search(judge, cells, ENDLESS)
    return tuple(_infer(search, path) for path in paths)


def list_facts(topology: Topology, *, everything: bool = False) -> tuple[str, ...]:
    """Return the paths of the facts to infer: the unknown ones, or all that have candidates."""
    if not everything:
        unknown = (path for path, _ in facts.list_unknown(topology))
        return tuple(path for path in unknown if facts.candidates(topology, path))
    own = [path for path, _ in facts.list_unknown(topology) if facts.split(path)[0]]
    cluster = [fact.path for fact in facts.FACTS if fact.path not in facts.ONLY_AT_NODES]
    return tuple(path for path in [*cluster, *own] if facts.candidates(topology, path))


def _infer(search: Search, path: str) -> Inference:
    topology = search.judge.topology
    unknown = path in topology.unknown
    declared = None if unknown else facts.value(topology, path)
    values = facts.candidates(topology, path)
    tried = tuple(dict.fromkeys(values if unknown or declared in values else (declared, *values)))
    changes = [FactChange(path, value, declared) for value in tried]
    cells = list(_affected(search, path, changes))
    seen = {one.value: found for one in changes if (found := _judge_change(search, one, cells)) is not None}
    everywhere = frozenset.intersection(*(one.failed for one in seen.values())) if seen else frozenset()
    fitting = tuple(value for value, one in seen.items() if one.failed <= everywhere)
    is_read = len({one.predictions for one in seen.values()}) > 1
    return Inference(path, declared, tuple(seen), fitting, is_read)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The cells that fail under one value, and the predictions under it."""

    failed: frozenset[str]
    predictions: frozenset[tuple[str, Key]]


def _judge_change(search: Search, change: FactChange, cells: Sequence[Cell]) -> _Outcome | None:
    """Return what one value predicts; None if no cluster can have it."""
    try:
        one = Hypothesis((change,), search.judge, search.reads)
        if not one.is_possible:
            return None
        failed = frozenset(cell.id for cell in cells if one.result(cell) is Result.FAIL)
        return _Outcome(failed, frozenset((cell.id, prediction_key(one.judge.expectation(cell))) for cell in cells))
    except IMPOSSIBLE:
        return None


def _affected(search: Search, path: str, changes: Sequence[FactChange]) -> Iterator[Cell]:
    """Yield the judged cells that at least one of the values may affect. All values are judged on the same cells."""
    judged = (cell for cell in search.cells if search.verdicts[cell.id] is not Result.INCONCLUSIVE)
    if path in search.judge.topology.unknown:
        return (cell for cell in judged if path in deciding_facts(search.judge.expectation(cell).alternatives))
    return (cell for cell in judged if any(change.may_affect(search.reads(cell)) for change in changes))
