"""A known deviation passes while it shows as declared; no longer, otherwise, or past its day, it fails."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import expect
from probes.plan.deviations import complaints
from probes.plan.plan import plan
from topologies.loading.load import TopologyError, load
from topologies.loading.overrides import declared
from topologies.schema.topology import Deviation

PLAIN = load("lab-small")
CELLS = plan(PLAIN).cells
CELL = next(cell for cell in CELLS if cell.id == "ext-e1-to-web-np-local.nodeport.n1-v4-tcp")
TRUE = session.simulate(PLAIN, CELLS, lambda cell, snapshot: expect(PLAIN, snapshot, cell))


def today() -> dt.date:
    """Return the date at this moment: a run of the tests may cross midnight."""
    return dt.datetime.now(dt.UTC).date()


OTHER = IPv4Address("198.18.1.11")
SILENT = (Attempt(Outcome.TIMEOUT),) * 3


def deviation(**told: Any) -> Deviation:
    known = {"cells": CELL.id, "outcome": "timeout", "reason": "ticket 7", "expires": today()}
    return Deviation.model_validate({**known, **told})


def judged(*attempts: Attempt, **told: Any) -> Judge:
    """A cluster with this deviation. The cell was answered so, or as the rules predict if nothing is given."""
    seen = Observation(CELL.id, "198.18.1.11:30080", attempts) if attempts else TRUE.observations[CELL.id]
    answers = replace(TRUE, observations={**TRUE.observations, CELL.id: seen})
    return Judge.over(PLAIN.model_copy(update={"deviations": (deviation(**told),)}), answers, CELLS)


def masqueraded() -> tuple[Attempt, ...]:
    return tuple(replace(attempt, source=OTHER) for attempt in TRUE.observations[CELL.id].attempts)


def test_as_declared_it_passes_until_its_last_day_and_says_why() -> None:
    verdict = judged(*SILENT)(CELL)

    assert verdict.result is Result.PASS
    assert f"known deviation until {today()}: ticket 7" in str(verdict)


def test_it_may_say_another_source() -> None:
    told = {"outcome": "ok", "sources": [str(OTHER)]}

    assert judged(*masqueraded(), **told)(CELL).result is Result.PASS
    assert judged(**told)(CELL, Facet.SOURCE).result is Result.FAIL


def test_one_that_no_longer_shows_fails() -> None:
    verdict = judged()(CELL)

    assert verdict.result is Result.FAIL
    assert "ok where timeout was expected" in str(verdict)
    assert "known deviation" in str(verdict)


def test_one_that_shows_otherwise_fails() -> None:
    assert judged(Attempt(Outcome.REFUSED), Attempt(Outcome.REFUSED))(CELL).result is Result.FAIL


def test_past_its_day_the_rules_hold_again() -> None:
    past = today() - dt.timedelta(days=1)

    assert judged(*SILENT, expires=past)(CELL).result is Result.FAIL
    assert judged(expires=past)(CELL).result is Result.PASS


def test_it_says_nothing_of_other_cells() -> None:
    judge = judged(*SILENT)

    assert {judge(cell).result for cell in CELLS if cell is not CELL} == {Result.PASS}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"cells": "ext-e1-to-nobody*"}, "deviations[0].cells: got 'ext-e1-to-nobody*', want a pattern"),
    ],
)
def test_one_that_cannot_be_judged_is_told_before_anything_is_asked(told: dict[str, Any], wanted: str) -> None:
    (complaint,) = complaints(PLAIN.model_copy(update={"deviations": (deviation(**told),)}), CELLS)

    assert complaint.startswith(wanted)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"outcome": "slow"}, "deviations[0].outcome: got 'slow', want one of ok, refused, timeout"),
        ({"sources": ["10.0.0.256"]}, "deviations[0].sources[0]: got '10.0.0.256'"),
    ],
)
def test_one_with_a_value_that_cannot_be_is_refused_with_the_file(told: dict[str, Any], wanted: str) -> None:
    known = {"cells": CELL.id, "outcome": "timeout", "reason": "ticket 7", "expires": "2099-12-31"}

    with pytest.raises(TopologyError) as caught:
        declared("lab-small", {"deviations": [{**known, **told}]})

    assert wanted in str(caught.value)
