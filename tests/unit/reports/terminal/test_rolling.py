from __future__ import annotations

from probes.observation import Outcome
from reports.analysis.held_connections import Fate, HeldFate
from reports.analysis.rolling import (
    BrokenCell,
    ExchangePhase,
    ExchangeStep,
    LeftOnNode,
    NotJudged,
    RollingExchange,
    Unmeasured,
)
from reports.analysis.rolling_groups import describe_left
from reports.terminal.rolling import render

BROKEN = BrokenCell(
    cell="pod-n1-to-web.clusterip-v4-tcp",
    before=Outcome.OK,
    first_s=1.25,
    last_s=2.5,
    lasted_s=1.25,
    outcomes={Outcome.REFUSED: 5},
    ok=0,
    phases=("cleaned", "started"),
)
STEP = ExchangeStep(
    node="n1",
    before="kube-proxy 1.20.2 iptables",
    after="kube-proxy 1.34.4 nftables",
    phases=(
        ExchangePhase(name="stopped", began_s=0, ended_s=1, attempts=40, left=LeftOnNode(chains=("nat A",), rules=9)),
        ExchangePhase(name="cleaned", began_s=1, ended_s=2, attempts=40, failed=5, unsure=1, cells=1),
    ),
    broken=(BROKEN,),
    connections=(
        HeldFate(cell="a", backend="web-a", fate=Fate.SURVIVED),
        HeldFate(cell="b", backend="web-a", fate=Fate.RESET, at_s=1.5, phase="cleaned"),
    ),
    unmeasured=(Unmeasured(vantage="pod-n1", from_s=0.5, to_s=1.25),),
    left_behind=("59 iptables chains",),
    cleanup_error="ended with status 1",
)
FOUND = RollingExchange(
    topology="lab-small",
    before="kube-proxy 1.20.2 iptables",
    after="kube-proxy 1.34.4 nftables",
    cleanup=True,
    interval_s=0.25,
    timeout_s=1,
    hold_s=0.2,
    cells={BROKEN.cell: Outcome.OK},
    not_judged=(NotJudged(cell="c", reason="before the first step: got no attempt"),),
    steps=(STEP,),
)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_step_shows_its_phases_breaks_connections_and_what_is_left() -> None:
    text = words(render(FOUND, 80))

    for part in (
        "stopped 0.00-1.00 40 0 0 1 chains, 9 rules",
        "cleaned 1.00-2.00 40 5 (1?) 1",
        "1 cell broken in cleaned, started: ok → refused, for 1.25 s",
        "pod-n1-to-web.clusterip-v4-tcp 1.25-2.50 s, 5 of 5 failed",
        "2 held connections: 1 survived, 1 reset",
        "b reset at 1.50 s (cleaned)",
        "left behind: 59 iptables chains",
        "kube-proxy --cleanup failed: ended with status 1",
        "not measured: 0.8 s in all, at 1 vantage",
        "Times are ±0.25 s.",
        "1 cell not judged:",
    ):
        assert part in text


def test_an_exchange_that_did_not_end_is_marked() -> None:
    assert "INTERRUPTED. 1 cell broke, 1 held connection lost." in words(render(FOUND, 80))
    assert "INTERRUPTED" not in render(FOUND.model_copy(update={"complete": True}), 80)


def test_no_line_is_longer_than_the_terminal() -> None:
    assert max(map(len, render(FOUND, 80).splitlines())) <= 80


def test_many_cells_are_counted_unless_all_are_asked_for() -> None:
    cells = tuple(BROKEN.model_copy(update={"cell": f"cell-{number}"}) for number in range(9))
    found = FOUND.model_copy(update={"steps": (STEP.model_copy(update={"broken": cells}),)})

    assert "and 5 more (--all)" in render(found, 80)
    assert "cell-8" in render(found, 80, everything=True)


def test_what_is_not_known_is_not_shown_as_nothing() -> None:
    assert describe_left(LeftOnNode()) == "nothing"
    assert describe_left(LeftOnNode(unread={"ipsets": "no such program"})) == "nothing; unknown: ipsets"
