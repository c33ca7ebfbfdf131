from __future__ import annotations

from ipaddress import IPv4Address

from probes.judging.verdict import Facet, Result, Verdict
from probes.observation import Attempt, Observation, Outcome
from reports.records.record import Record, in_order
from tests.unit.support import worlds

CELL = worlds.cells()[0]


def record_of(observation: Observation, *verdicts: Verdict) -> Record:
    return Record.of(CELL, None, observation, verdicts, str)


def test_a_record_survives_json() -> None:
    for record in worlds.records(60):
        assert Record.model_validate_json(record.model_dump_json()) == record


def test_the_summary_shows_a_split() -> None:
    ok = [Attempt(Outcome.OK, IPv4Address("10.0.0.1"), "web-a")] * 9 + [Attempt(Outcome.OK, None, "web-b")] * 8
    record = record_of(Observation(CELL.id, attempts=(*ok, *[Attempt(Outcome.TIMEOUT)] * 3)))

    assert record.observed.summary == "17 of 20 ok (web-a 9, web-b 8); 3 timed out"
    assert record.observed.outcomes == {Outcome.OK: 17, Outcome.TIMEOUT: 3}
    assert [(seen.name, seen.count) for seen in record.observed.sources] == [("10.0.0.1", 9)]


def test_a_cell_that_was_not_asked_is_no_outcome_at_all() -> None:
    record = worlds.record(CELL, worlds.unasked)

    assert record.verdict is Result.INCONCLUSIVE
    assert record.observed.summary == "not asked: SSH to n4: connection refused"
    assert not record.observed.outcomes


def test_the_worst_facet_is_the_verdict() -> None:
    verdicts = [
        Verdict(CELL.id, result, result.value, facet=facet) for facet, result in zip(Facet, Result, strict=False)
    ]
    record = record_of(Observation(CELL.id), *verdicts)

    assert record.verdict is Result.FAIL
    assert record.headline == "fail"
    assert record.facets[Facet.REACHABILITY] is Result.PASS


def test_nothing_judged_is_inconclusive() -> None:
    assert record_of(Observation(CELL.id)).verdict is Result.INCONCLUSIVE


def test_the_clients_own_address_is_kept_and_others_have_short_names() -> None:
    source, vtep = IPv4Address("198.18.3.100"), IPv4Address("10.244.1.0")
    attempts = tuple(Attempt(Outcome.OK, one, "web-a", local="198.18.3.100:4711") for one in (source, vtep))
    record = Record.of(CELL, None, Observation(CELL.id, attempts=attempts), [], lambda _: "vtep(n1)")

    assert {seen.label for seen in record.observed.sources} == {"kept", "vtep(n1)"}


def test_records_are_in_plan_order_and_the_first_of_a_cell_counts() -> None:
    first, second, third = worlds.records(3)
    again = first.model_copy(update={"headline": "again"})

    found = in_order([third, second, first, again], [first.cell.id, second.cell.id])
    assert found == (first, second, third)


def test_an_attempt_leaves_its_defaults_out_of_the_json() -> None:
    written = record_of(Observation(CELL.id, attempts=(Attempt(Outcome.REFUSED, exit_code=7),))).model_dump(mode="json")

    assert written["observed"]["attempts"] == [{"outcome": "refused", "exit_code": 7}]
