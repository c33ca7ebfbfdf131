from __future__ import annotations

import json
from typing import Any

import pytest

from probes.asking.continuous.events import TimedAttempt, VantageEvents
from probes.observation import Outcome
from reports.analysis.rolling import (
    ExchangeStep,
    LeftOnNode,
    ObservedStep,
    RollingExchange,
    analyse_step,
    describe_left_behind,
    find_references,
    schema,
)
from tests.unit.support.paths import ROOT

OK, REFUSED, TIMEOUT = Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT
INTERVAL = 0.25
PHASES = {"stopped": (10.0, 11.0), "cleaned": (11.0, 12.0), "started": (12.0, 13.0), "synced": (13.0, 14.0)}


def observed(**given: Any) -> ObservedStep:
    values: dict[str, Any] = {
        "node": "n1",
        "before": "old",
        "after": "new",
        "modes": ("iptables", "nftables"),
        "phases": PHASES,
    }
    return ObservedStep(**(values | given))


def asked(
    bad: dict[float, Outcome], cell: str = "a", good: Outcome = OK, leave_out: tuple[float, float] = (0, 0)
) -> VantageEvents:
    """One attempt every 0.25 s from 8 to 16 s, some with another outcome, some left out."""
    times = [8.0 + INTERVAL * number for number in range(32)]
    lasts = {OK: 0.01, REFUSED: 0.01, TIMEOUT: 1.0}
    attempts = [
        TimedAttempt(cell, began, began + lasts[bad.get(began, good)], bad.get(began, good))
        for began in times
        if not leave_out[0] <= began < leave_out[1]
    ]
    return VantageEvents(f"v-{cell}", tuple(attempts))


def analysed(*events: VantageEvents, references: dict[str, Outcome] | None = None, **given: Any) -> ExchangeStep:
    return analyse_step(observed(**given), references or {"a": OK}, events, INTERVAL, zero=10.0)


def test_nothing_breaks_where_every_attempt_is_as_before() -> None:
    step = analysed(asked({}))

    assert step.broken == ()
    assert step.unmeasured == ()
    assert [(one.name, one.attempts, one.failed) for one in step.phases] == [(name, 4, 0) for name in PHASES]


def test_a_break_lasts_from_the_first_to_the_last_failed_attempt() -> None:
    step = analysed(asked({11.25: REFUSED, 11.5: REFUSED, 12.0: REFUSED}))

    [broken] = step.broken
    assert (broken.cell, broken.before, broken.outcomes, broken.ok) == ("a", OK, {REFUSED: 3}, 1)
    assert [broken.first_s, broken.lasted_s] == pytest.approx([1.26, 0.75])
    assert broken.phases == ("cleaned", "started")
    assert [one.failed for one in step.phases] == [0, 2, 1, 0]
    assert [one.cells for one in step.phases] == [0, 1, 1, 0]


def test_an_attempt_that_is_refused_late_counts_where_it_was_refused() -> None:
    """The first SYN was dropped before the cleanup, the second one refused after it."""
    late = TimedAttempt("a", 10.5, 11.51, REFUSED)
    step = analysed(VantageEvents("v", (*asked({}, good=TIMEOUT).attempts, late)), references={"a": TIMEOUT})

    assert step.broken[0].phases == ("cleaned",)


def test_an_answer_where_there_was_none_before_is_a_break_too() -> None:
    assert analysed(asked({11.0: OK}, good=TIMEOUT), references={"a": TIMEOUT}).broken[0].outcomes == {OK: 1}


def test_what_was_not_asked_is_unmeasured_and_no_break() -> None:
    step = analysed(asked({}, leave_out=(11.0, 12.0)))

    assert step.broken == ()
    [gap] = step.unmeasured
    assert gap.vantage == "v-a"
    assert [gap.from_s, gap.to_s] == pytest.approx([1.0, 2.0])


def test_a_timeout_while_the_vantage_was_late_counts_neither_way() -> None:
    step = analysed(asked({10.75: TIMEOUT}, leave_out=(11.0, 12.0)))

    assert step.broken == ()
    assert step.phases[0].unsure == 1


def test_a_refusal_while_the_vantage_was_late_is_a_break() -> None:
    assert len(analysed(asked({10.75: REFUSED}, leave_out=(11.0, 12.0))).broken) == 1


def test_a_cell_without_a_single_result_before_is_not_judged() -> None:
    events = [asked({8.5: REFUSED}, "a"), asked({}, "b")]
    references, without = find_references(["a", "b", "c"], events, 10.0)

    assert references == {"b": OK}
    assert {one.cell: one.reason for one in without} == {
        "a": "before the first step: got ok 7, refused 1",
        "c": "before the first step: got no attempt",
    }
    assert analysed(*events, references=references).broken == ()


LEFT = LeftOnNode(chains=("nat KUBE-SERVICES",), rules=3, ipsets=("KUBE-X",), virtual_servers=2, addresses=1)


@pytest.mark.parametrize(
    ("modes", "described"),
    [
        (
            ("ipvs", "nftables"),
            ("1 iptables chains", "3 rules in them", "1 ipsets", "2 virtual servers", "1 addresses of kube-ipvs0"),
        ),
        (("ipvs", "iptables"), ("1 ipsets", "2 virtual servers", "1 addresses of kube-ipvs0")),
        (("iptables", "iptables"), ()),
    ],
)
def test_what_the_old_mode_left_is_what_the_new_one_does_not_use(
    modes: tuple[str, str], described: tuple[str, ...]
) -> None:
    assert describe_left_behind(observed(modes=modes, left={"synced": LEFT})) == described


def test_what_could_not_be_listed_is_not_reported_as_removed() -> None:
    left = {"synced": LeftOnNode(unread={"ipsets": "no such program"})}

    assert describe_left_behind(observed(left=left)) == ("ipsets: not known (no such program)",)


def whole(*events: VantageEvents, cells: dict[str, Outcome]) -> RollingExchange:
    steps = (analysed(*events, references=cells or None),)
    paces = {"interval_s": INTERVAL, "timeout_s": 1.0, "hold_s": 0.2}
    return RollingExchange(topology="lab", before="old", after="new", cleanup=True, cells=cells, steps=steps, **paces)


def test_an_exchange_that_measured_nothing_is_no_success() -> None:
    assert whole(asked({}), cells={"a": OK}).unmeasured == ""
    assert whole(cells={}).unmeasured == "got no cell with one result before the first step"
    assert whole(asked({}, leave_out=(10.9, 12.0)), cells={"a": OK}).unmeasured == "got no attempt in n1 cleaned"


def test_the_schema_page_is_current() -> None:
    assert (ROOT / "docs/rolling.schema.json").read_text() == schema()


def test_an_exchange_is_read_back_as_it_was_written() -> None:
    found = RollingExchange(
        topology="lab",
        before="old",
        after="new",
        cleanup=True,
        interval_s=0.25,
        timeout_s=1.0,
        hold_s=0.2,
        cells={"a": OK},
        steps=(analysed(asked({11.0: REFUSED}), left={"synced": LEFT}),),
        complete=True,
    )

    written = found.model_dump_json()
    assert RollingExchange.model_validate_json(written).model_dump_json() == written
    assert json.loads(written)["steps"][0]["broken"][0]["outcomes"] == {"refused": 1}
    assert found.broke
