"""What a release changes: predictions and observations of both sides, cell by cell, in classes that never mix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.analysis.change_classes import Kind
from reports.analysis.diff import compare
from reports.analysis.diff_side import Side
from reports.analysis.release.build import FITS_BOTH, ReleaseSide, qualify
from reports.analysis.release.change_class import CLASS_MEANINGS, ChangeClass
from reports.analysis.release.story import Qualification, QualifiedCell, ReleaseVerdict, schema
from reports.html import qualification as page
from reports.records import build
from reports.records.prediction import Prediction
from reports.records.run import DeclaredTopology, Run
from reports.terminal import qualification as terminal
from tests.unit.support.paths import ROOT
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.schema.topology import Topology

pytestmark = pytest.mark.slow

Bend = Callable[[Observation], Observation]
OLD, NEW = {"kubernetes": "1.30.14"}, {"kubernetes": "1.30.14", "mode": "nftables"}
SERVICES = frozenset({"web", "web-np"})
LOCALHOST = "host-n1-to-web-np.nodeport.loopback-v4-tcp"  # R7.3 closes it in nftables mode
CLOSED = "host-n1-to-web-np.nodeport.n1-cni0-v4-tcp"  # R7.4 does
STABLE = "pod-n1-to-web.clusterip-v4-tcp"
OTHER = "pod-n2-to-web.clusterip-v4-tcp"
SEEN, MISSED = ChangeClass.MEANT_AND_SEEN, ChangeClass.MEANT_NOT_SEEN
STRAY, UNTESTED = ChangeClass.SEEN_NOT_MEANT, ChangeClass.NOT_TESTED
SAME, MEANT = ChangeClass.UNCHANGED, ChangeClass.MEANT


def topology_with(changes: Mapping[str, Any]) -> Topology:
    return declared("lab-small", dict(changes))


@cache
def predicted(changes: tuple[tuple[str, str], ...]) -> Side:
    return Side.predicted("side", Prediction.of(topology_with(dict(changes))))


def run_of(
    topology: Topology,
    bent: Mapping[str, Bend] | None = None,
    leave: frozenset[str] = frozenset(),
    services: frozenset[str] = SERVICES,
    **more: Any,
) -> Run:
    """A simulated run of two Services. `bent`: cell id -> what becomes of its observation. `leave`: not asked."""
    cells = [cell for cell in plan(topology).cells if cell.frontend.service in services]
    answers = session.simulate(topology, cells, lambda cell, known: expect(topology, known, cell))
    seen = {**answers.observations}
    for name, bend in (bent or {}).items():
        seen[name] = bend(seen[name])
    judge = Judge.over(topology, replace(answers, observations=seen), cells)
    records = tuple(record for record in build.records(judge, cells) if record.cell.id not in leave)
    fields = {"complete": True, "plan": [cell.id for cell in cells], "records": records, **more}
    return Run(topology=DeclaredTopology.of(topology), started="2026-11-26T05:35:08Z", **fields)


def silent(seen: Observation) -> Observation:
    return replace(seen, attempts=(Attempt(Outcome.TIMEOUT),) * len(seen.attempts))


def unasked(seen: Observation) -> Observation:
    return replace(seen, attempts=(), trouble="SSH down")


def as_before(seen: Observation) -> Observation:
    """The answer that this cell has before the change."""
    topology = topology_with(OLD)
    cell = next(one for one in plan(topology).cells if one.id == seen.cell)
    answers = session.simulate(topology, [cell], lambda one, known: expect(topology, known, one))
    return answers.observations[seen.cell]


def release(
    before: Run | None,
    after: Run | None,
    *gate: str,
    changes: tuple[Mapping[str, str], Mapping[str, str]] = (OLD, NEW),
    **more: Any,
) -> Qualification:
    sides = [
        ReleaseSide("side", predicted(tuple(each.items())), run, "out/run" if run else "")
        for each, run in zip(changes, (before, after), strict=True)
    ]
    return qualify(sides[0], replace(sides[1], **more), of_services, gate)


def of_services(name: str) -> bool:
    return any(f"-to-{service}." in name for service in SERVICES)


def cells(story: Qualification) -> dict[str, QualifiedCell]:
    return {cell.cell: cell for group in story.groups for cell in group.cells}


def old(**more: Any) -> Run:
    return run_of(topology_with(OLD), **more)


def new(**more: Any) -> Run:
    return run_of(topology_with(NEW), **more)


def test_changes_that_are_predicted_and_observed_qualify() -> None:
    story = release(old(), new())

    found = cells(story)
    assert story.verdict is ReleaseVerdict.QUALIFIED
    assert {cell.change_class for cell in found.values()} == {SEEN}
    assert (found[LOCALHOST].rule, found[CLOSED].rule, found[CLOSED].instead_of) == ("R7.3", "R7.4", "R3.3")
    assert found[CLOSED].predicted is found[CLOSED].observed is Kind.LOST_REACHABILITY
    assert (
        story.headline == f"QUALIFIED: {story.cells} cells: {len(found)} meant and seen, {story.counts[SAME]} unchanged"
    )
    assert [group.rule.id for group in story.groups if group.rule] == ["R7.4", "R7.3"]
    assert sum(story.counts.values()) == story.cells


def test_a_wrong_observation_is_seen_and_not_meant_and_comes_first() -> None:
    story = release(old(), new(bent={STABLE: silent}))

    (first, *_) = story.groups
    (cell,) = first.cells
    assert story.verdict is ReleaseVerdict.NOT_QUALIFIED
    assert story.headline.startswith(f"NOT QUALIFIED: {story.cells} cells: 1 seen and not meant, ")
    assert (cell.cell, cell.change_class, cell.observed, cell.predicted) == (STABLE, STRAY, Kind.NEWLY_FAILING, None)
    assert first.rule is not None
    assert first.rule.id == "R2.1"  # what is expected
    text = terminal.render(story, 80)
    assert "1. seen-and-not-meant   1 cell: 1 newly-failing" in text
    assert "timeout (fail)" in text.split("2. meant-and-seen")[0]


def test_a_cell_that_fails_before_only_is_not_meant_either() -> None:
    story = release(old(bent={STABLE: silent}), new())

    assert cells(story)[STABLE].change_class is STRAY
    assert cells(story)[STABLE].observed is Kind.FIXED
    assert story.verdict is ReleaseVerdict.NOT_QUALIFIED


def test_a_predicted_change_that_does_not_occur_is_meant_and_not_seen() -> None:
    story = release(old(), new(bent={LOCALHOST: as_before}))

    assert cells(story)[LOCALHOST].change_class is MISSED
    assert cells(story)[LOCALHOST].observed is Kind.NEWLY_FAILING
    assert cells(story)[CLOSED].change_class is SEEN
    assert story.counts[STRAY] == story.counts[UNTESTED] == 0
    assert story.verdict is ReleaseVerdict.NOT_QUALIFIED


def test_a_predicted_change_that_occurs_in_another_way_is_not_meant() -> None:
    story = release(old(), new(bent={LOCALHOST: silent}))  # timeout; predicted: refused

    assert cells(story)[LOCALHOST].change_class is STRAY
    assert cells(story)[LOCALHOST].predicted is Kind.LOST_REACHABILITY


@pytest.mark.parametrize("name", [STABLE, LOCALHOST])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_cell_that_could_not_be_asked_is_neither_seen_nor_missed(name: str, side: str) -> None:
    story = release(
        old(bent={name: unasked} if side == "before" else {}), new(bent={name: unasked} if side == "after" else {})
    )

    found = cells(story)[name]
    assert (found.change_class, found.reason) == (UNTESTED, f"{side}: inconclusive: SSH down")
    assert story.counts[UNTESTED] == 1
    assert story.counts[MISSED] == story.counts[STRAY] == 0
    assert story.verdict is ReleaseVerdict.INCONCLUSIVE
    assert "INCONCLUSIVE: " in terminal.render(story, 80).splitlines()[0]


def test_a_cell_that_fails_on_one_side_and_has_no_answer_on_the_other_fails() -> None:
    story = release(old(bent={STABLE: unasked}), new(bent={STABLE: silent}))

    assert cells(story)[STABLE].change_class is STRAY
    assert story.verdict is ReleaseVerdict.NOT_QUALIFIED


def test_a_cell_that_a_killed_run_did_not_ask_is_not_tested() -> None:
    story = release(old(), new(leave=frozenset({STABLE}), complete=False))

    assert cells(story)[STABLE].reason == "after: not asked: the run did not get that far"
    assert (story.counts[UNTESTED], story.after.unasked, story.after.complete) == (1, 1, False)
    assert story.verdict is ReleaseVerdict.INCONCLUSIVE
    assert "1 not asked, cut short" in terminal.render(story, 120)


def test_without_runs_changes_are_predicted_and_nothing_is_qualified() -> None:
    story = release(None, None)

    assert story.verdict is ReleaseVerdict.PREDICTED
    assert {cell.change_class for cell in cells(story).values()} == {MEANT}
    assert cells(story).keys() == cells(release(old(), new())).keys()


def test_a_run_before_and_a_prediction_after_shows_failures_and_leaves_changes_open() -> None:
    story = release(old(bent={STABLE: silent, OTHER: unasked}), None)

    found = cells(story)
    assert (found[STABLE].change_class, found[OTHER].change_class) == (STRAY, UNTESTED)
    assert found[LOCALHOST].change_class is MEANT
    assert release(old(), None).verdict is ReleaseVerdict.PREDICTED


def test_a_prediction_before_and_a_run_after_shows_what_was_seen() -> None:
    story = release(None, new(bent={LOCALHOST: as_before}))

    assert (cells(story)[LOCALHOST].change_class, cells(story)[CLOSED].change_class) == (MISSED, SEEN)
    assert release(None, new()).verdict is ReleaseVerdict.QUALIFIED


def test_a_side_that_could_not_be_tested_at_all_is_inconclusive() -> None:
    story = release(old(), None, note="the run ended with exit code 6", is_due=True)

    assert story.verdict is ReleaseVerdict.INCONCLUSIVE
    assert "not observed: the run ended with exit code 6" in terminal.render(story, 120)


@pytest.mark.parametrize(
    ("gate", "hit"),
    [("lost-reachability", True), ("gained-source", False), ("not-tested", False), ("seen-and-not-meant", False)],
)
def test_a_kind_of_the_gate_does_not_qualify(gate: str, hit: bool) -> None:
    story = release(old(), new(), gate)

    assert (story.verdict is ReleaseVerdict.NOT_QUALIFIED) is hit
    assert bool(story.gate) is hit
    if hit:
        assert story.headline.endswith(f"(--fail-on: {len(cells(story))} lost-reachability)")


def test_cells_that_only_one_side_has_are_listed_and_fail_if_their_verdict_does() -> None:
    services = topology_with(OLD).model_dump(mode="json")["workload"]["services"]
    more = {**OLD, "workload.services": [{**services[0], "name": "fresh"}, *services]}
    topology = declared("lab-small", more)
    fresh = next(cell.id for cell in plan(topology).cells if cell.frontend.service == "fresh")
    after = Side.predicted("after", Prediction.of(topology))
    sides = ReleaseSide("before", predicted(tuple(OLD.items()))), ReleaseSide("after", after)

    story = qualify(*sides)

    assert fresh in {one.cell for one in story.one_sided}
    assert {one.reason for one in story.one_sided if "-to-fresh." in one.cell} == {"before: not planned there"}
    assert story.counts[MEANT] == 0
    assert f"{len(story.one_sided)} cells only one side has" in terminal.render(story, 80)
    assert qualify(*sides, gate=["one-sided"]).verdict is ReleaseVerdict.NOT_QUALIFIED

    failing = run_of(topology, {fresh: silent}, services=frozenset({"fresh"}))
    story = qualify(sides[0], replace(sides[1], run=failing, folder="out/run"), lambda name: "-to-fresh." in name)
    assert {name: cell.change_class for name, cell in cells(story).items()} == {fresh: STRAY}
    assert fresh not in {one.cell for one in story.one_sided}


def test_attempts_that_fit_both_predictions_do_not_show_the_change() -> None:
    """Half of the connections are answered before, three quarters after: ten attempts can fit both."""
    changes = {"kubernetes": "1.37.2", "mode": "ipvs"}, {"kubernetes": "1.37.2", "mode": "nftables"}
    before, after = (Side.predicted("side", Prediction.of(declared("lab-balancer", dict(each)))) for each in changes)
    shared = [change.cell for change in changes_between(before, after) if change.kind is Kind.CHANGED_SHARE]
    assert shared
    topology = declared("lab-balancer", dict(changes[1]))
    chosen = [cell for cell in plan(topology).cells if cell.id == shared[0]]
    few = [replace(cell, sample=4) for cell in chosen]
    answers = session.simulate(topology, few, lambda cell, known: expect(topology, known, cell), snapshot_of(topology))
    records = tuple(build.records(Judge.over(topology, answers, few), few))
    run = Run(topology=DeclaredTopology.of(topology), started="2026-11-26T05:35:08Z", complete=True, records=records)

    story = qualify(
        ReleaseSide("before", before), ReleaseSide("after", after, run, "out/run"), lambda name: name == shared[0]
    )

    assert (cells(story)[shared[0]].change_class, cells(story)[shared[0]].reason) == (MISSED, FITS_BOTH)
    assert story.verdict is ReleaseVerdict.QUALIFIED


def changes_between(before: Side, after: Side) -> list[Any]:
    return [change for group in compare(before, after).groups for change in group.changes]


def test_a_simulated_run_is_named_in_the_headline() -> None:
    simulated = new(versions={"kubernetes": "simulated 1.30.14"})

    assert release(old(), simulated).headline.endswith("(simulated: no cluster was asked)")
    assert "simulated" not in release(old(), new()).headline


def test_a_qualification_survives_json_and_its_schema_is_the_stored_one() -> None:
    story = release(old(), new(bent={STABLE: silent, OTHER: unasked}))

    assert Qualification.model_validate_json(story.model_dump_json()) == story
    known = (ROOT / "docs" / "qualify.schema.json").read_text(encoding="utf-8")
    assert known == schema(), "make it again: python -m reports.analysis.release.story > docs/qualify.schema.json"


def test_the_page_has_every_group_and_its_cells_as_text() -> None:
    story = release(old(), new(bent={STABLE: silent, OTHER: unasked}))

    html = page.render(story)

    assert html.count('<article class="group') == len(story.groups)
    assert all(f"<code>{cell}</code>" in html for cell in cells(story))
    assert 'data-mark="seen-and-not-meant"' in html
    assert "NOT QUALIFIED" in html


def test_every_class_has_a_meaning() -> None:
    assert list(CLASS_MEANINGS) == list(ChangeClass)
