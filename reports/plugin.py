"""pytest's side of the reports: journal, JUnit properties, Allure labels, the terminal's last word, run.json, HTML."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from pydantic import TypeAdapter

from probes.oracle.environment import Environment
from probes.plugin import PLAN, RUN
from probes.verdict import Facet
from reports import allure, html, journal, matrix, summary
from reports.record import Record
from reports.run import DeclaredTopology, Header, Left, Run, Timings
from topologies.plugin import TOPOLOGY

if TYPE_CHECKING:
    from probes.cell import Cell
    from probes.judging import Judge

STARTED = pytest.StashKey[datetime]()
RECORDS = pytest.StashKey[dict[str, Record]]()
TROUBLE = pytest.StashKey[str]()
REPORT = "report.html"
HAIRPIN = "0.1.0"


def pytest_configure(config: pytest.Config) -> None:
    """Remember when the run began; JUnit goes into the run's folder unless it was told where."""
    config.stash[STARTED] = datetime.now(UTC)
    config.stash[RECORDS] = {}


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """Judge every cell and write its record at once, in whichever process comes first."""
    began = time.monotonic()
    for cell in cells:
        config.stash[RECORDS][cell.id] = _record(judge, cell)
    judged = time.monotonic() - began
    folder = config.stash[RUN]
    with FileLock(folder / ".journal"):
        if (folder / journal.MAIN).exists():
            return
        try:
            _write(config, judge, judged)
        except journal.JournalError as error:
            config.stash[TROUBLE] = str(error)


def _write(config: pytest.Config, judge: Judge, judged: float) -> None:
    """Journal every record. On a full disk what is not written stays in memory and is told all the same."""
    timings = Timings(**judge.answers.timings, judge=judged)
    with journal.Journal(config.stash[RUN], _header(config, judge, timings)) as pages:
        for record in config.stash[RECORDS].values():
            with contextlib.suppress(journal.JournalError):
                pages.append(record)


def _record(judge: Judge, cell: Cell) -> Record:
    case = judge.case(cell)
    verdicts = [judge(cell, facet) for facet in Facet]
    return Record.of(
        cell,
        None,
        case.expectation,
        case.observation,
        verdicts,
        naming=lambda address: judge.short_name(address, cell),
    )


def _header(config: pytest.Config, judge: Judge, timings: Timings) -> Header:
    topology, plan = config.stash[TOPOLOGY], config.stash[PLAN]
    known = {name: importlib.metadata.version(name) for name in ("pytest", "kubernetes", "paramiko")}
    return Header(
        environment=TypeAdapter(Environment).dump_python(Environment.of(topology), mode="json"),
        topology=DeclaredTopology.of(topology),
        versions={"hairpin": HAIRPIN, "python": platform.python_version(), **known, **judge.answers.versions},
        started=config.stash[STARTED],
        command=" ".join(["pytest", *map(str, config.invocation_params.args)]),
        plan=tuple(cell.id for cell in plan.cells),
        omissions=tuple(Left.of(omission) for omission in plan.omissions),
        notes=judge.answers.notes,
        timings=timings,
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """After a cell's test: its record as JUnit properties, and as Allure labels where that plugin is at work."""
    try:
        return (yield)
    finally:
        cell = getattr(getattr(item, "callspec", None), "params", {}).get("cell")
        record = item.config.stash[RECORDS].get(cell.id) if cell is not None else None
        if record is not None:
            item.user_properties.extend(allure.properties(record))
            allure.describe(record, topology=item.config.stash[TOPOLOGY].name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The matrix, the failures with their account, and where the files are."""
    folder = config.stash[RUN]
    if hasattr(config, "workerinput") or not (folder / journal.MAIN).exists():
        return
    width, colour = terminalreporter._tw.fullwidth, terminalreporter._tw.hasmarkup  # noqa: SLF001 - pytest's own way
    run = _finish(terminalreporter, config)
    terminalreporter.section("matrix")
    terminalreporter.write_line(matrix.render(run.records, width, color=colour))
    terminalreporter.section("hairpin")
    terminalreporter.write_line(summary.render(run.records, width, color=colour))
    for note in run.notes:
        terminalreporter.write_line(f"note: {note}", yellow=True)
    spent = ", ".join(f"{name} {took:.1f} s" for name, took in run.timings if took is not None)
    terminalreporter.write_line(f"{spent}\n{folder / REPORT}\n{folder / journal.RUN}")


def _finish(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Run:
    """Put the run together; what cannot be written is said, and the run is told all the same."""
    folder, began = config.stash[RUN], time.monotonic()
    closing = {"finished": datetime.now(UTC), "complete": True}
    run = journal.assemble(folder, config.stash[RECORDS].values(), **closing)
    try:
        html.write(run, folder / REPORT)
        run = run.model_copy(update={"timings": run.timings.model_copy(update={"report": time.monotonic() - began})})
        journal.save(run, folder)
    except journal.JournalError as error:
        terminalreporter.write_line(f"not saved: {error}", red=True)
    return run
