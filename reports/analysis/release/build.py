"""Make the qualification of a release of what was predicted and observed on its two sides. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from reports.analysis.causes.deciding_rule import find_deciding_rule
from reports.analysis.change_classes import Kind
from reports.analysis.diff import NotCompared, compare, describe_rule, describe_rules
from reports.analysis.diff_side import Side
from reports.analysis.release.change_class import ChangeClass, classify_change, is_visible
from reports.analysis.release.story import (
    Qualification,
    QualifiedCell,
    QualifiedGroup,
    QualifiedSide,
    ReleaseVerdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reports.analysis.diff import Change
    from reports.analysis.diff_side import SideAnswer
    from reports.records.record import Record
    from reports.records.run import Run

PLACES = ("before", "after")
FITS_BOTH = "its attempts fit both predictions"
SIMULATED = "simulated"
_HEADS = {ChangeClass.MEANT: "will change (not observed yet)"}
_CLASSES = list(ChangeClass)
_KINDS = list(Kind)


@dataclass(frozen=True, slots=True)
class ReleaseSide:
    """What is known of one side: the prediction of its topology, and its run if it was observed."""

    name: str
    predicted: Side
    run: Run | None = None
    folder: str = ""
    note: str = ""
    """Why there is no run."""
    is_due: bool = False
    """A run was started and ended without any record."""

    @property
    def observed(self) -> Side | None:
        """The observations of the run; None without a run."""
        return Side.observed(self.folder, self.run) if self.run else None

    def summarize(self) -> QualifiedSide:
        """Return the side as it is stored."""
        verdicts = Counter(record.verdict for record in self.run.records) if self.run else Counter()
        return QualifiedSide(
            name=self.name,
            about=self.predicted.about,
            predicted=len(self.predicted.answers),
            run=self.folder,
            simulated=self.run is not None and self.run.versions.get("kubernetes", "").startswith(SIMULATED),
            complete=self.run.complete if self.run else True,
            passed=verdicts[Result.PASS],
            failed=verdicts[Result.FAIL],
            inconclusive=verdicts[Result.INCONCLUSIVE],
            unasked=len(self.run.unasked) if self.run else 0,
            note=self.note,
        )


def qualify(
    before: ReleaseSide, after: ReleaseSide, chosen: Callable[[str], bool] = lambda _: True, gate: Iterable[str] = ()
) -> Qualification:
    """Return what changes from one side to the other, in the chosen cells.

    Args:
        before: The side from which the release starts.
        after: The side to which it leads.
        chosen: Whether a cell id counts.
        gate: Kinds of change and classes of cells that do not qualify.

    """
    evidence = Evidence.of(before, after, chosen)
    cells = [evidence.describe(name) for name in evidence.names]
    counts = {one: sum(cell.change_class is one for cell in cells) for one in ChangeClass}
    hit = _hit(cells, evidence.one_sided, frozenset(gate))
    verdict = _judge(cells, (before, after), hit)
    was, now = before.summarize(), after.summarize()
    return Qualification(
        verdict=verdict,
        headline=_headline(verdict, counts, hit, simulated=was.simulated or now.simulated),
        before=was,
        after=now,
        cells=len(cells),
        counts=counts,
        by_other_rules=sum(
            cell.change_class is ChangeClass.UNCHANGED and cell.predicted is Kind.CHANGED_BECAUSE for cell in cells
        ),
        groups=_group(cells),
        one_sided=evidence.one_sided,
        gate=hit,
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """The predictions and the observations of both sides, cell by cell, compared with each other."""

    sides: tuple[Side, Side]
    runs: tuple[Side | None, Side | None]
    asked: tuple[Mapping[str, SideAnswer] | None, Mapping[str, SideAnswer] | None]
    """What each run shows of each cell, inconclusive ones included; None without a run."""
    names: tuple[str, ...]
    """The cells that both sides plan, and those of one side that fail."""
    alone: Mapping[str, str]
    """The cells that only one side plans, and why."""
    predicted: Mapping[str, Change]
    observed: Mapping[str, Change]
    against_before: Mapping[str, Change]
    """How the observation after the change differs from the prediction before it."""
    failing: Mapping[str, Record]
    """The records of cells that fail: after the change, or else before it."""

    @classmethod
    def of(cls, before: ReleaseSide, after: ReleaseSide, chosen: Callable[[str], bool]) -> Evidence:
        """Compare both sides in the chosen cells."""
        sides, runs = (before.predicted, after.predicted), (before.observed, after.observed)
        failing = {**_failing(before.run), **_failing(after.run)}
        alone = {name: why for name, why in _find_alone(sides).items() if chosen(name)}
        names = [name for name in dict.fromkeys((*sides[0].judged, *sides[1].judged)) if chosen(name)]
        return cls(
            sides=sides,
            runs=runs,
            asked=(runs[0].judged if runs[0] else None, runs[1].judged if runs[1] else None),
            names=tuple(name for name in names if name not in alone or name in failing),
            alone=alone,
            predicted=_changes(*sides),
            observed=_changes(*runs),
            against_before=_changes(sides[0], runs[1]),
            failing=failing,
        )

    @property
    def one_sided(self) -> tuple[NotCompared, ...]:
        """The cells that only one side plans and that do not fail."""
        return tuple(NotCompared(cell=name, reason=why) for name, why in self.alone.items() if name not in self.failing)

    def describe(self, name: str) -> QualifiedCell:
        """Return what prediction and observation of a cell show."""
        found, unpredicted = self._classify(name), self._join(self.sides, name, planned=True)
        if unpredicted and found is not ChangeClass.SEEN_NOT_MEANT:
            found = ChangeClass.NOT_TESTED
        predicted, observed, failing = self.predicted.get(name), self.observed.get(name), self.failing.get(name)
        before, after = ((known or {}).get(name) for known in self.asked)
        was, now = (side.answers.get(name) for side in self.sides)
        rule, instead_of = self._find_cause(name, found)
        return QualifiedCell(
            cell=name,
            change_class=found,
            predicted=predicted.kind if predicted else None,
            observed=observed.kind if observed else None,
            answer=observed.answer if observed else None,
            predicted_before=was.summary if was else "",
            predicted_after=now.summary if now else "",
            observed_before=before.summary if before else "",
            observed_after=after.summary if after else "",
            before_verdict=before.verdict if before else None,
            after_verdict=after.verdict if after else None,
            expected=failing.expected.summary if failing else "",
            rule=rule,
            instead_of=instead_of,
            reason=self.alone.get(name) or unpredicted or self._explain(name, found),
        )

    def _classify(self, name: str) -> ChangeClass:
        verdicts = [known[name].verdict if name in known else None for known in self.asked if known is not None]
        seen_after = self.runs[1] is not None
        fits_before = seen_after and name not in self.alone and not is_visible(self.against_before.get(name))
        predicted, observed = self.predicted.get(name), self.observed.get(name)
        found = classify_change(predicted, observed, verdicts, fits_before=fits_before)
        return ChangeClass.MEANT if found is ChangeClass.MEANT_AND_SEEN and not seen_after else found

    def _find_cause(self, name: str, found: ChangeClass) -> tuple[str, str]:
        """Return the rule that decides after the change and the one that decided before, or what a failure violates."""
        if found is ChangeClass.SEEN_NOT_MEANT:
            decides = find_deciding_rule(self.failing[name]) if name in self.failing else None
            return (decides.id if decides else "", "")
        change = self.predicted.get(name)
        return (change.come, change.gone) if change else ("", "")

    def _explain(self, name: str, found: ChangeClass) -> str:
        if found is ChangeClass.MEANT_NOT_SEEN:
            return "" if name in self.failing else FITS_BOTH
        return self._join(self.runs, name) if found is ChangeClass.NOT_TESTED else ""

    @staticmethod
    def _join(sides: Sequence[Side | None], name: str, *, planned: bool = False) -> str:
        """Return why each side has no answer for a cell. `planned`: only if it plans the cell."""
        return "; ".join(
            f"{place}: {side.missing.get(name, 'not planned in its run')}"
            for place, side in zip(PLACES, sides, strict=True)
            if side and name not in side.answers and (not planned or name in side.unknown)
        )


def _failing(run: Run | None) -> dict[str, Record]:
    return {record.cell.id: record for record in run.records if record.verdict is Result.FAIL} if run else {}


def _changes(before: Side | None, after: Side | None) -> dict[str, Change]:
    if before is None or after is None:
        return {}
    return {change.cell: change for group in compare(before, after).groups for change in group.changes}


def _find_alone(sides: tuple[Side, Side]) -> dict[str, str]:
    """Return the cells that only one side plans, each with the reason."""
    old, new = (side.judged for side in sides)
    return {
        name: f"{place}: {side.missing.get(name, 'not planned there')}"
        for place, side, known, other in zip(PLACES, sides, (old, new), (new, old), strict=True)
        for name in other
        if name not in known
    }


def _group(cells: Iterable[QualifiedCell]) -> tuple[QualifiedGroup, ...]:
    found: dict[tuple[ChangeClass, str], list[QualifiedCell]] = {}
    for cell in cells:
        if cell.change_class is not ChangeClass.UNCHANGED:
            cause = cell.reason if cell.change_class is ChangeClass.NOT_TESTED else cell.rule or f"-{cell.instead_of}"
            found.setdefault((cell.change_class, cause), []).append(cell)
    groups = [_make_group(change_class, same) for (change_class, _), same in found.items()]
    return tuple(sorted(groups, key=lambda one: (_CLASSES.index(one.change_class), _worst(one), -len(one.cells))))


def _make_group(change_class: ChangeClass, cells: list[QualifiedCell]) -> QualifiedGroup:
    counted = Counter(kind for cell in cells if (kind := cell.worst_kind))
    tested = change_class is not ChangeClass.NOT_TESTED
    return QualifiedGroup(
        change_class=change_class,
        kinds=dict(sorted(counted.items(), key=lambda item: _KINDS.index(item[0]))),
        rule=describe_rule(cells[0].rule) if tested else None,
        instead_of=describe_rules(cell.instead_of for cell in cells) if tested else (),
        cells=tuple(cells),
    )


def _worst(group: QualifiedGroup) -> int:
    return min(map(_KINDS.index, group.kinds), default=len(_KINDS))


def _hit(cells: Iterable[QualifiedCell], one_sided: tuple[NotCompared, ...], gate: frozenset[str]) -> tuple[str, ...]:
    """Return the number of cells of each kind and class of the gate that occurs: `3 lost-source`."""
    counted: Counter[str] = Counter({"one-sided": len(one_sided)})
    for cell in cells:
        counted.update({str(one) for one in (cell.predicted, cell.observed, cell.answer, cell.change_class) if one})
    return tuple(f"{count} {name}" for name, count in counted.items() if count and name in gate)


def _judge(
    cells: Iterable[QualifiedCell], sides: tuple[ReleaseSide, ReleaseSide], hit: tuple[str, ...]
) -> ReleaseVerdict:
    """Return the verdict: a contradiction first, then what could not be tested."""
    known = list(cells)
    classes = {cell.change_class for cell in known}
    fails = any(Result.FAIL in {cell.before_verdict, cell.after_verdict} for cell in known)
    if hit or fails or ChangeClass.SEEN_NOT_MEANT in classes:
        return ReleaseVerdict.NOT_QUALIFIED
    if ChangeClass.NOT_TESTED in classes or any(side.is_due for side in sides):
        return ReleaseVerdict.INCONCLUSIVE
    return ReleaseVerdict.QUALIFIED if sides[1].run else ReleaseVerdict.PREDICTED


def _headline(
    verdict: ReleaseVerdict, counts: Mapping[ChangeClass, int], hit: tuple[str, ...], *, simulated: bool
) -> str:
    """Return the first line of the text: the verdict and every class that has cells."""
    shown = [f"{count} {_HEADS.get(one, one.value.replace('-', ' '))}" for one, count in counts.items() if count]
    remarks = [f"--fail-on: {', '.join(hit)}"] * bool(hit) + ["simulated: no cluster was asked"] * simulated
    remark = f" ({'; '.join(remarks)})" if remarks else ""
    return f"{verdict.value.upper()}: {sum(counts.values())} cells: {', '.join(shown)}{remark}"
