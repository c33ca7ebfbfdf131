"""What one worker of pytest-xdist has judged is what the others read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes import session, shared_verdicts
from probes.judging import account, compare
from probes.judging.run_judge import Judge
from probes.judging.verdict import Facet, Result
from probes.observation import Attempt, Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from probes.observation import Observation

pytestmark = pytest.mark.slow

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells
FAULTY = CELLS[0]


@pytest.fixture
def judge() -> Judge:
    """A judge of a run in which one cell timed out."""
    given = session.simulate(TOPOLOGY, CELLS, lambda cell, known: expect(TOPOLOGY, known, cell))
    lost = replace(given.observations[FAULTY.id], attempts=(Attempt(Outcome.RESET),))
    return Judge.over(TOPOLOGY, replace(given, observations={**given.observations, FAULTY.id: lost}), CELLS)


def unused() -> Judge:
    raise AssertionError


def test_another_worker_reads_the_same_verdicts_and_expectations(judge: Judge, tmp_path: Path) -> None:
    shared_verdicts.write(tmp_path, judge, CELLS)

    read = shared_verdicts.read(tmp_path, TOPOLOGY, "", unused)

    assert read is not None
    assert read.answers.snapshot == judge.answers.snapshot
    for cell in CELLS:
        assert read.expectation(cell) == judge.expectation(cell)
        assert [read(cell, facet) for facet in Facet] == [judge(cell, facet) for facet in Facet]
    assert read(FAULTY, Facet.REACHABILITY).result is Result.FAIL


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"facets": {}}'])
def test_a_worker_judges_what_it_cannot_read(judge: Judge, tmp_path: Path, line: bytes) -> None:
    shared_verdicts.write(tmp_path, judge, CELLS[1:])
    with (tmp_path / shared_verdicts.VERDICTS).open("ab") as file:
        file.write(FAULTY.id.encode() + b"\t" + line + b"\n")

    read = shared_verdicts.read(tmp_path, TOPOLOGY, "", lambda: judge)

    assert read is not None
    assert read(FAULTY, Facet.REACHABILITY) == judge(FAULTY, Facet.REACHABILITY)
    assert read.expectation(FAULTY) == judge.expectation(FAULTY)
    assert read.case(CELLS[1]) is judge.case(CELLS[1])


@pytest.mark.parametrize("text", [None, "", "no JSON\n"])
def test_without_a_readable_file_there_is_no_shared_judge(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / shared_verdicts.VERDICTS).write_text(text)

    assert shared_verdicts.read(tmp_path, TOPOLOGY, "", unused) is None


def test_a_cell_is_judged_once_and_its_account_is_shared(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts: list[str] = []
    names: list[str] = []
    make, alias = account.list_account, compare.with_names

    def count_account(case: compare.JudgedCell) -> tuple[tuple[str, str], ...]:
        accounts.append(case.cell.id)
        return make(case)

    def count_names(observation: Observation, aliases: dict[str, str]) -> Observation:
        names.append(observation.cell)
        return alias(observation, aliases)

    monkeypatch.setattr(compare, "list_account", count_account)
    monkeypatch.setattr(compare, "with_names", count_names)

    verdicts = [judge(FAULTY, facet) for facet in (*Facet, *Facet)]

    assert accounts == [FAULTY.id]
    assert names == []  # once for all, when the judge was made
    assert len({id(verdict.account) for verdict in verdicts}) == 1
