"""A diff of two runs compares verdicts first; a diff with a prediction uses the statistics of the verdict."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from hairpin.main import main
from probes import session
from probes.judging import binomial
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.analysis.change_classes import OF_VERDICTS, Kind, classify_verdicts
from reports.analysis.diff import compare
from reports.analysis.diff_side import Side
from reports.html import diff as diff_page
from reports.records import build
from reports.records.prediction import Prediction
from reports.records.run import DeclaredTopology, Run
from reports.terminal import diff
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from probes.plan.cell import Cell
    from reports.analysis.diff import Comparison
    from topologies.schema.topology import Topology

pytestmark = pytest.mark.slow

SMALL = load("lab-small")
Bend = Callable[[Observation], Observation]
Save = Callable[[str, Run], str]
CELLS = [cell for cell in plan(SMALL).cells if cell.frontend.service in {"web", "web-np", "none"}]
LOST = Attempt(Outcome.TIMEOUT)
NOBODY = IPv4Address("192.0.2.1")
PASS, FAIL, UNSURE = Result.PASS, Result.FAIL, Result.INCONCLUSIVE


def run_of(topology: Topology = SMALL, cells: Sequence[Cell] = CELLS, bent: Mapping[str, Bend] | None = None) -> Run:
    """A simulated run; `bent`: cell id -> what becomes of its observation."""
    answers = session.simulate(topology, cells, lambda cell, known: expect(topology, known, cell))
    seen = {**answers.observations}
    for name, bend in (bent or {}).items():
        seen[name] = bend(seen[name])
    judge = Judge.over(topology, replace(answers, observations=seen), cells)
    return Run(
        topology=DeclaredTopology.of(topology),
        environment={"mode": "iptables", "version": "1.20.2"},
        started="2026-11-22T05:35:08Z",
        plan=[cell.id for cell in cells],
        records=tuple(build.records(judge, cells)),
    )


def silent(seen: Observation) -> Observation:
    return replace(seen, attempts=(LOST,) * len(seen.attempts))


def unasked(seen: Observation) -> Observation:
    return replace(seen, attempts=(), trouble="SSH down")


def moved(seen: Observation) -> Observation:
    """Answered as before, with another source address: the client's own."""
    return replace(seen, attempts=tuple(replace(one, source=declared(SMALL).pods["pod-n1"]) for one in seen.attempts))


CELL = "pod-n1-to-web.clusterip-v4-tcp"
PORT = "pod-n1-to-web-np.nodeport.n1-v4-tcp"


def between(before: Run, after: Run) -> Comparison:
    return compare(Side.observed("before", before), Side.observed("after", after))


def kinds(comparison: Comparison) -> dict[str, Kind]:
    return {change.cell: change.kind for group in comparison.groups for change in group.changes}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (PASS, FAIL, Kind.NEWLY_FAILING),
        (UNSURE, FAIL, Kind.NEWLY_FAILING),
        (FAIL, FAIL, Kind.STILL_FAILING),
        (FAIL, PASS, Kind.FIXED),
        (UNSURE, PASS, Kind.NO_LONGER_INCONCLUSIVE),
        (PASS, UNSURE, Kind.NEWLY_INCONCLUSIVE),
        (FAIL, UNSURE, Kind.NEWLY_INCONCLUSIVE),
        (PASS, PASS, None),
        (UNSURE, UNSURE, None),
    ],
)
def test_two_verdicts_make_a_class(before: Result, after: Result, wanted: Kind | None) -> None:
    assert classify_verdicts(before, after) is wanted


def test_a_breakage_that_keeps_the_client_address_is_newly_failing_and_not_gained() -> None:
    """The CNI's masquerade rule is gone: the backend sees the client's own address, against the rules."""
    found = between(run_of(), run_of(bent={PORT: moved}))

    (change,) = [change for group in found.groups for change in group.changes]
    assert (change.cell, change.kind, change.answer) == (PORT, Kind.NEWLY_FAILING, Kind.GAINED_SOURCE)
    assert (change.before_verdict, change.after_verdict) == (PASS, FAIL)
    assert found.counts[Kind.GAINED_SOURCE] == 0
    assert diff_page.tone(change.kind) == "fail"
    text = diff.render(found, color=True)
    assert "\x1b[1;31m1. newly-failing" in text
    assert "\x1b[1;32m" not in text
    assert "gained-source" in text


def test_verdicts_come_first_and_the_worst_before_the_others() -> None:
    third, fourth, fifth = (f"{who}-to-web.clusterip-v4-tcp" for who in ("pod-n2", "host-n1", "self-web-a"))
    before = run_of(bent={PORT: silent, third: silent, fourth: unasked})
    after = run_of(bent={CELL: silent, PORT: silent, fifth: unasked})

    found = between(before, after)

    assert kinds(found) == {
        CELL: Kind.NEWLY_FAILING,
        PORT: Kind.STILL_FAILING,
        fifth: Kind.NEWLY_INCONCLUSIVE,
        third: Kind.FIXED,
        fourth: Kind.NO_LONGER_INCONCLUSIVE,
    }
    assert [group.kind for group in found.groups] == [
        Kind.NEWLY_FAILING,
        Kind.STILL_FAILING,
        Kind.NEWLY_INCONCLUSIVE,
        Kind.FIXED,
        Kind.NO_LONGER_INCONCLUSIVE,
    ]
    assert found.same == found.compared - 5 == len(CELLS) - 5
    assert found.not_compared == ()
    assert "inconclusive: SSH down" in diff.render(found)


def test_what_neither_run_could_test_is_not_compared() -> None:
    found = between(run_of(bent={CELL: unasked}), run_of(bent={CELL: unasked}))

    assert [(one.cell, one.reason) for one in found.not_compared] == [
        (CELL, "before: inconclusive: SSH down; after: inconclusive: SSH down")
    ]
    assert kinds(found) == {}


def test_two_passing_runs_of_other_clusters_are_compared_by_their_answers() -> None:
    other = load("lab-routed")
    cells = [cell for cell in plan(other).cells if cell.id in {one.id for one in CELLS}]

    found = between(run_of(), run_of(other, cells))

    assert found.counts[Kind.WRONG_BACKEND] == len(kinds(found))  # lab-routed has a second one
    assert found.counts[Kind.WRONG_BACKEND]
    assert not any(found.counts[kind] for kind in OF_VERDICTS)


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    def save(name: str, run: Run) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(run.model_dump_json())
        return str(tmp_path / name)

    return save


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("newly-failing", 1),
        ("lost-reachability", 1),  # the class of the answer shuts the gate, too
        ("fixed,still-failing", 0),
        ("newly-inconclusive", 1),
        ("not-compared", 1),  # a cell that one run could not test
        ("gained-source", 0),
    ],
)
def test_a_gate_between_runs(saved: Save, capsys: pytest.CaptureFixture[str], gate: str, code: int) -> None:
    before, after = saved("before", run_of()), saved("after", run_of(bent={CELL: silent, PORT: unasked}))

    assert main(["diff", before, after, "--fail-on", gate]) == code
    assert (gate in capsys.readouterr().err) is bool(code)


def test_a_gate_of_verdicts_needs_two_runs(saved: Save, capsys: pytest.CaptureFixture[str]) -> None:
    before = saved("before", run_of())

    assert main(["diff", before, "lab-small", "--fail-on", "newly-failing"]) == 2
    assert "compares the verdicts of two runs; compared are" in capsys.readouterr().err


HALF = load("lab-balancer")


def shared_cell() -> Cell:
    """A cell of which a known share of connections must be answered, and its prediction."""
    for cell in plan(HALF).cells:
        paths = expect(HALF, declared(HALF), cell).paths
        share = sum(path.share for path in paths if path.outcome is Outcome.OK)
        if abs(share - 0.5) < 0.01:
            return cell
    pytest.fail("no cell of lab-balancer is answered half of the time")


@pytest.mark.parametrize(
    ("answered", "lost", "wanted"),
    [
        (0, 30, {Kind.LOST_REACHABILITY}),  # the verdict fails it: 2 in 10^9
        (0, 11, {Kind.UNPROVEN_SHARE}),  # 1 in 1,024 both ways: more than a verdict allows, less than is usual
        (4, 7, set()),
        (15, 15, set()),
        (28, 2, {Kind.CHANGED_SHARE}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_share_counts_in_a_diff_as_it_does_in_the_verdict(
    answered: int, lost: int, wanted: set[Kind], turned: bool
) -> None:
    cell = shared_cell()
    good = [one for one in expect(HALF, declared(HALF), cell).paths if one.outcome is Outcome.OK]
    made = [Attempt(Outcome.OK, next(iter(way.sources)), way.backend) for way in good]
    attempts = tuple((made * answered)[:answered] + [LOST] * lost)
    run = run_of(HALF, [cell], {cell.id: lambda seen: replace(seen, attempts=attempts)})
    sides = Side.predicted("topology", Prediction.of(HALF)), Side.observed("run", run)

    before, after = reversed(sides) if turned else sides
    found = compare(before, after, lambda one: one == cell.id)

    expected = {Kind.GAINED_REACHABILITY} if turned and Kind.LOST_REACHABILITY in wanted else wanted
    assert set(kinds(found).values()) == expected
    assert (run.records[0].verdict is FAIL) is bool(wanted - {Kind.UNPROVEN_SHARE})
    if Kind.UNPROVEN_SHARE in wanted:
        assert "p = 0.001" in diff.render(found)
        assert found.same == 0


def test_an_unproven_share_is_neither_the_same_nor_by_other_rules() -> None:
    """11 of 11 timeouts where 50 % is due were `changed-because` if the rules differed, and nothing if not."""
    assert binomial.two_sided_p_value(0, 11, 0.5) == pytest.approx(2 / 2048)
    assert diff_page.tone(Kind.UNPROVEN_SHARE) == "inconclusive"


@pytest.mark.parametrize(
    ("counts", "likely"),
    [((5, 10, 5, 10), 1.0), ((0, 10, 10, 10), 2 / 184756), ((1, 10, 11, 14), 0.002759), ((0, 5, 0, 7), 1.0)],
)
def test_two_samples_are_compared_by_fishers_exact_test(counts: tuple[int, ...], likely: float) -> None:
    assert binomial.fisher_p_value(*counts) == pytest.approx(likely, rel=1e-3)


@pytest.mark.parametrize(("then", "wanted"), [(30, {Kind.CHANGED_SHARE}), (20, {Kind.UNPROVEN_SHARE}), (16, set())])
def test_the_shares_of_two_runs_are_compared_with_each_other(then: int, wanted: set[Kind]) -> None:
    """Both runs pass: each is within chance of 50 %, but hardly of each other."""
    cell = shared_cell()
    way = next(one for one in expect(HALF, declared(HALF), cell).paths if one.outcome is Outcome.OK)
    good = Attempt(Outcome.OK, next(iter(way.sources)), way.backend)

    def sample(answered: int, of: int = 40) -> Run:
        attempts = (good,) * answered + (LOST,) * (of - answered)
        bent = run_of(HALF, [cell], {cell.id: lambda seen: replace(seen, attempts=attempts)})
        return bent.model_copy(
            update={"records": tuple(one.model_copy(update={"verdict": PASS}) for one in bent.records)}
        )

    found = between(sample(8), sample(then))

    assert set(kinds(found).values()) == wanted


@pytest.mark.parametrize("name", ["lab-small", "lab-balancer", "lab-ipvs-flannel"])
def test_a_run_differs_from_its_prediction_exactly_where_its_verdict_is_fail(name: str) -> None:
    """Cells are bent at random: silence, a part of it, refusals, another source, one backend only."""
    topology = load(name)
    cells = list(plan(topology).cells)
    chance_of = random.Random(name)
    bends = [silent, partly, refused, stranger, lonely]
    bent = {cell.id: chance_of.choice(bends) for cell in cells if chance_of.random() < 0.5}

    run = run_of(topology, cells, bent)
    for sides in (True, False):
        pair = (Side.predicted("topology", Prediction.of(topology)), Side.observed("run", run))
        found = kinds(compare(*(pair if sides else reversed(pair))))

        failing = {one.cell.id for one in run.records if one.verdict is FAIL}
        assert {cell for cell, kind in found.items() if kind is not Kind.UNPROVEN_SHARE} == failing
        assert failing


def partly(seen: Observation) -> Observation:
    return replace(seen, attempts=(LOST, *seen.attempts[1:]))


def refused(seen: Observation) -> Observation:
    return replace(seen, attempts=(Attempt(Outcome.REFUSED),) * len(seen.attempts))


def stranger(seen: Observation) -> Observation:
    return replace(seen, attempts=tuple(replace(one, source=NOBODY) for one in seen.attempts))


def lonely(seen: Observation) -> Observation:
    return replace(seen, attempts=(seen.attempts[0],) * len(seen.attempts))
