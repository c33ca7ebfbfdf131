"""Make the qualification of a release of what was predicted and observed on its two sides. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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
    from collections.abc import Callable, Iterable, Mapping

    from reports.analysis.diff import Change
    from reports.records.record import Record
    from reports.records.run import Run

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
    names: tuple[str, ...]
    """The cells that both sides plan, or that a run has judged."""
    one_sided: tuple[NotCompared, ...]
    predicted: Mapping[str, Change]
    observed: Mapping[str, Change]
    against_before: Mapping[str, Change]
    """How the observation after the change differs from the prediction before it."""
    records: tuple[Mapping[str, Record], Mapping[str, Record]] = field(default=({}, {}))

    @classmethod
    def of(cls, before: ReleaseSide, after: ReleaseSide, chosen: Callable[[str], bool]) -> Evidence:
        """Compare both sides in the chosen cells."""
        sides, runs = (before.predicted, after.predicted), (before.observed, after.observed)
        records = _records(before.run), _records(after.run)
        names = [name for name in dict.fromkeys((*sides[0].judged, *sides[1].judged)) if chosen(name)]
        alone = {name: why for name in names if (why := _alone(name, sides))}
        failing = {name for known in records for name, one in known.items() if one.verdict is Result.FAIL}
        return cls(
            sides,
            runs,
            tuple(name for name in names if name not in alone or name in failing),
            tuple(NotCompared(cell=name, reason=why) for name, why in alone.items() if name not in failing),
            _changes(*sides),
            _changes(*runs),
            _changes(sides[0], runs[1]),
            records,
        )

    def describe(self, name: str) -> QualifiedCell:
        """Return what prediction and observation of a cell show."""
        predicted, observed = self.predicted.get(name), self.observed.get(name)
        verdicts = [run.judged[name].verdict if name in run.judged else None for run in self.runs if run]
        alone = _alone(name, self.sides)
        fits_before = not is_visible(self.against_before.get(name)) and not alone
        found = classify_change(predicted, observed, verdicts, fits_before=fits_before and self.runs[1] is not None)
        if found is ChangeClass.MEANT_AND_SEEN and self.runs[1] is None:
            found = ChangeClass.MEANT
        unpredicted = self._explain_missing_prediction(name)
        if unpredicted and found is not ChangeClass.SEEN_NOT_MEANT:
            found = ChangeClass.NOT_TESTED
        return self._describe(name, found, alone or unpredicted)

    def _describe(self, name: str, found: ChangeClass, reason: str) -> QualifiedCell:
        predicted, observed = self.predicted.get(name), self.observed.get(name)
        failing = self._failing(name)
        rule, instead_of = (predicted.come, predicted.gone) if predicted else ("", "")
        if found is ChangeClass.SEEN_NOT_MEANT:
            decides = find_deciding_rule(failing) if failing else None
            rule, instead_of = (decides.id if decides else "", "")
        before, after = (run.judged.get(name) if run else None for run in self.runs)
        was, now = (side.answers.get(name) for side in self.sides)
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
            reason=reason or self._reason(name, found, failing=failing is not None),
        )

    def _failing(self, name: str) -> Record | None:
        """Return the record of a cell that fails: after the change, or else before it."""
        found = [known[name] for known in reversed(self.records) if name in known]
        return next((record for record in found if record.verdict is Result.FAIL), None)

    def _reason(self, name: str, found: ChangeClass, *, failing: bool) -> str:
        if found is ChangeClass.MEANT_NOT_SEEN:
            return "" if failing else FITS_BOTH
        if found is not ChangeClass.NOT_TESTED:
            return ""
        troubles = (
            f"{place}: {run.missing.get(name, 'not planned in its run')}"
            for place, run in zip(("before", "after"), self.runs, strict=True)
            if run and name not in run.answers
        )
        return "; ".join(troubles)

    def _explain_missing_prediction(self, name: str) -> str:
        troubles = (
            f"{place}: {side.missing[name]}"
            for place, side in zip(("before", "after"), self.sides, strict=True)
            if name in side.unknown
        )
        return "; ".join(troubles)


def _records(run: Run | None) -> dict[str, Record]:
    return {record.cell.id: record for record in run.records} if run else {}


def _changes(before: Side | None, after: Side | None) -> dict[str, Change]:
    if before is None or after is None:
        return {}
    return {change.cell: change for group in compare(before, after).groups for change in group.changes}


def _alone(name: str, sides: tuple[Side, Side]) -> str:
    """Return why only one side has this cell; empty if both have it."""
    return "; ".join(
        f"{place}: {side.missing.get(name, 'not planned there')}"
        for place, side in zip(("before", "after"), sides, strict=True)
        if name not in side.judged
    )


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
