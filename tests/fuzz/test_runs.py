"""Tampered run.json and journal files, through every reader of runs: the documented errors, and nothing else."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hairpin.main import main
from probes import session
from probes.oracle.predict import expect
from probes.plan.plan import plan
from probes.vendor_claims.load import pages
from reports.analysis.claim_evidence import collect_evidence
from reports.html import claims
from reports.html import run as html
from reports.records import journal
from reports.records.journal import Journal, JournalError
from reports.records.run import DeclaredTopology, Header, Run
from tests.fuzz import bounds, tamper
from topologies.loading.load import load

ROOT = Path(__file__).parents[2]
RUNS, JOURNALS = 600, 400
NAME = "lab-flannel"  # flannel documents such a cluster, so `hairpin claims` reads its records
DATA = re.compile(r'<script type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
ERROR = re.compile(r"hairpin (diff|claims): .+", re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run's folder."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "pytest", "-q", "--simulate", f"--topology={NAME}", f"--out={out}"]
    command += ["-k", "n3-to-web.clusterip or to-web.endpoint"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    folder = (out / "last").resolve()
    (page,) = (page for page in pages() if page.name == "flannel")
    assert main(["diff", str(folder), str(folder), "-o", os.devnull]) == 0  # imports are not timed
    assert any(face.shown for face in collect_evidence(page, [journal.load(folder)]).values())
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> int:
    """Run a verb: its exit code; an error is in our own words."""
    with bounds.in_time():
        code = main(arguments)
    told = capsys.readouterr()
    assert code in {0, 1, 2}
    assert "Traceback" not in told.err
    assert "pydantic" not in told.err
    if code == 2:
        assert ERROR.match(told.err), told.err
        assert len(told.err) < 3000
    return code


def spoilt(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.7:
        return tamper.structure(json.loads(content), chance).encode(errors="replace")
    return chance.choice(tamper.BYTES)(content, chance)


@pytest.fixture
def one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only flannel's page, which has what this run can show: the pages of other vendors cost seconds of prediction."""
    (page,) = (page for page in pages() if page.name == "flannel")
    monkeypatch.setattr(claims, "pages", lambda: [page])


@pytest.mark.usefixtures("one_page")
@pytest.mark.parametrize("part", range(6))
def test_a_tampered_run_is_read_or_refused_in_words(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: int, memory: bounds.Memory
) -> None:
    content = (made / "run.json").read_bytes()
    codes = []
    for case in bounds.rounds(RUNS):
        if case % 6 != part:
            continue
        chance = random.Random(f"run {case}")
        path = tmp_path / "run.json"
        path.write_bytes(spoilt(content, chance))
        sides = [str(path), str(made)] if chance.random() < 0.5 else [str(made), str(path)]
        codes.append(
            said(capsys, "diff", *sides, *chance.choice(((), ("--all",), ("--format=json",), ("--format=html",))))
        )
        if case % 2 or case < 6:
            said(capsys, "claims", str(tmp_path / "pages"), "--run", str(path))
        page_of(path)
    assert codes
    assert memory.peak_mb() < bounds.MEMORY_MB


def page_of(path: Path) -> None:
    """The page of a run that can be read: its data are JSON that a browser reads."""
    try:
        run = journal.load(path)
    except JournalError as error:
        assert "is not a readable run: " in str(error)  # noqa: PT017 - most cases do not raise
        return
    with bounds.in_time():
        page = html.render(run)
    for data in DATA.findall(page):
        json.loads(data, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def journals(folder: Path, run: Run) -> None:
    """The journal of a run that was killed: all was heard, half of it judged."""
    topology = load(NAME)
    cells = [cell for cell in plan(topology).cells if cell.id in {one.cell.id for one in run.records}]
    answers = session.simulate(topology, cells, lambda cell, known: expect(topology, known, cell))
    header = Header(
        topology=DeclaredTopology.of(topology),
        started=run.started,
        plan=tuple(cell.id for cell in cells),
        notes=("odd",),
    )
    with Journal(folder, header) as pages:
        pages.settle(replace(answers.snapshot, taken_at="now"))
        pages.observe(answers.observations.values())
        for record in run.records[::2]:
            pages.append(record)


@pytest.mark.parametrize("part", range(2))
def test_a_tampered_journal_is_read_as_far_as_it_goes(
    made: Path, tmp_path: Path, part: int, memory: bounds.Memory
) -> None:
    run = journal.load(made)
    whole = tmp_path / "whole"
    whole.mkdir()
    journals(whole, run)
    content = (whole / journal.MAIN).read_bytes()
    assert len(journal.recover(whole).records) == len(run.records)
    recovered = 0
    for case in bounds.rounds(JOURNALS):
        if case % 2 != part:
            continue
        chance = random.Random(f"journal {case}")
        folder = tmp_path / str(case)
        folder.mkdir()
        (folder / journal.MAIN).write_bytes(torn(content, chance))
        recovered += recovers(folder)
    assert recovered
    assert memory.peak_mb() < bounds.MEMORY_MB


def torn(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return chance.choice(tamper.BYTES)(content, chance)
    lines = content.splitlines(keepends=True)
    at = chance.choice((0, 1, chance.randrange(len(lines))))
    return b"".join([*lines[:at], f"{tamper.structure(json.loads(lines[at]), chance)}\n".encode(), *lines[at + 1 :]])


def recovers(folder: Path) -> bool:
    try:
        with bounds.in_time():
            run = journal.recover(folder)
    except JournalError as error:
        assert "no journal with a header in" in str(error)  # noqa: PT017 - most cases do not raise
        return False
    assert journal.load(folder).model_dump_json() == run.model_dump_json()  # times are written to 0.1 ms
    return True
