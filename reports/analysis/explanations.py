"""What explains the failed cells of a stored run, and what its observations show about facts: as data and as text."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from probes.diagnosis.change import format_value
from probes.diagnosis.inference import infer, list_facts
from probes.diagnosis.search import diagnose
from probes.judging.verdict import Result
from reports.records.rejudge import StoredAnswers, own_topology
from reports.records.schema import ChangedFact, StoredExplanation
from topologies.cluster_state.api_fields import shorten
from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from probes.diagnosis.change import ClusterChange
    from probes.diagnosis.hypothesis import Changes
    from probes.diagnosis.inference import Inference
    from probes.diagnosis.search import Diagnosis, Explanation
    from reports.records.run import Run

NOTE = 300  # characters of a note
ALTERNATIVES = 6  # changes of one class that a sentence names; the others are counted
NO_CAUSE = "A rule that does not hold describes the observations; its cause is not among the changes that were tried."


def explain_run(run: Run, budget_s: float | None = None) -> tuple[StoredExplanation, ...]:
    """Return what explains the failed cells of a run, best first. Empty if no cell failed.

    Raises:
        RejudgeError: The run cannot be judged anew.
        UnsupportedMode: kube-proxy does not serve there, and only its rules predict what a change does.

    """
    if not any(record.verdict is Result.FAIL for record in run.records):
        return ()
    stored = StoredAnswers.of(run, own_topology(run))
    return store_diagnosis(diagnose(stored.judge, stored.cells, budget_s))


def add_explanations(run: Run) -> Run:
    """Return the run with what explains its failed cells. If the search fails, the run gets a note instead.

    Where kube-proxy does not serve, nothing predicts what a change of the declaration does: the run stays as it is.
    """
    if not run.is_of_kube_proxy:
        return run
    try:
        return run.model_copy(update={"explanations": explain_run(run)})
    except Exception as error:  # noqa: BLE001 - of any kind: the run is complete without an explanation
        note = f"the failed cells were not explained: {type(error).__name__}: {error}"
        return run.model_copy(update={"notes": (*run.notes, shorten(note, NOTE))})


def infer_facts(run: Run, *, everything: bool = False) -> tuple[Inference, ...]:
    """Return what the observations of a run show about its unknown facts, or about all.

    Raises:
        RejudgeError: The run cannot be judged anew.

    """
    topology = own_topology(run)
    stored = StoredAnswers.of(run, topology)
    return infer(stored.judge, stored.cells, list_facts(topology, everything=everything))


def store_diagnosis(diagnosis: Diagnosis) -> tuple[StoredExplanation, ...]:
    """Return the explanations as stored data, each with its sentence."""
    if not diagnosis.red:
        return ()
    if not diagnosis.explanations:
        return (StoredExplanation(text=_describe_none(diagnosis), red=len(diagnosis.red)),)
    return tuple(_store(diagnosis, one) for one in diagnosis.explanations)


def _describe_none(diagnosis: Diagnosis) -> str:
    cells = _count(len(diagnosis.red), "failed cell")
    text = f"No change that was tried explains any of the {cells} without contradicting others."
    return text if diagnosis.complete else f"{text} {_describe_untried(diagnosis)}."


def _store(diagnosis: Diagnosis, one: Explanation) -> StoredExplanation:
    first, *others = one.members
    return StoredExplanation(
        text=describe(diagnosis, one),
        certain=diagnosis.is_certain and one.fits,
        changes=_store_changes(first),
        alternatives=tuple(map(_store_changes, others)),
        explained=one.explained,
        red=len(diagnosis.red),
        contradicted=len(one.contradicted),
    )


def _store_changes(changes: Changes) -> tuple[ChangedFact, ...]:
    return tuple(
        ChangedFact(path=one.path, value=plain(one.value), was=plain(one.was), text=one.text) for one in changes
    )


def plain(value: object) -> JsonValue:
    """Return a fact's value as plain data."""
    if isinstance(value, Version | ipaddress.IPv4Network | ipaddress.IPv4Address):
        return str(value)
    if isinstance(value, list | tuple | frozenset):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def describe(diagnosis: Diagnosis, one: Explanation) -> str:
    """Return the statement of one explanation in a sentence."""
    red = len(diagnosis.red)
    ending = _describe_others(one)
    if one.fits:
        ending += _describe_doubt(diagnosis, one)
    verb = "is" if red == 1 else "are"
    return f"{len(one.explained)} of {red} red cells {verb} as expected if {_describe_class(one.members)}; {ending}."


def _describe_doubt(diagnosis: Diagnosis, one: Explanation) -> str:
    """Return why an explanation that fits is not certain, as the end of a sentence; nothing if it is."""
    if len(diagnosis.fitting) > 1:
        return ", but it is not the only explanation"
    if not diagnosis.complete:
        return f". {_describe_untried(diagnosis)}"
    return f". {NO_CAUSE[:-1]}" if one.has_rule else ""


def _describe_untried(diagnosis: Diagnosis) -> str:
    """Return what the search did not try in its time."""
    untried = "some pairs" if diagnosis.singles_tried else "some of these, and all pairs"
    return f"The time for the search ended. Of {_count(diagnosis.tried, 'single change')}, not tried: {untried}"


def _describe_others(one: Explanation) -> str:
    if one.contradicted:
        return f"{_count(len(one.contradicted), 'passed cell')} would fail"
    return "no other cell changes" if not one.changed else "no passed cell is contradicted"


def _describe_class(members: Sequence[Changes]) -> str:
    """Return the changes of a class, joined by `or`; values of one fact are listed once."""
    ways: dict[tuple[str, ...], list[Changes]] = {}
    for changes in members:
        ways.setdefault(tuple(change.path for change in changes), []).append(changes)
    shown = [_describe_way(same) for same in list(ways.values())[:ALTERNATIVES]]
    more = len(ways) - len(shown)
    text = " or ".join([*shown, *([f"{more} other changes"] if more else [])])
    return f"{text} (not distinguishable here)" if len(members) > 1 else text


def _describe_way(same: Sequence[Changes]) -> str:
    first = same[0]
    if len(same) == 1 or len(first) > 1:
        return " and ".join(change.text for change in first)
    return f"`{first[0].path}` is {_list_values([changes[0] for changes in same])}"


def _list_values(changes: Sequence[ClusterChange]) -> str:
    values: list[Any] = [change.value for change in changes]
    if len(values) > ALTERNATIVES and all(isinstance(one, Version) for one in values):
        return f"one of {min(values)} … {max(values)}"
    return " or ".join(map(format_value, values))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
