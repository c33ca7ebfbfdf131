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

from probes.judging.run_judge import NotTestedError
from probes.oracle.environment import Environment
from probes.plugin import ANSWERS, JUDGE, PLAN, RUN, missing_backends
from probes.session import Answers
from reports import allure
from reports.html import claims
from reports.html import run as html
from reports.records import build, journal
from reports.records.crash_recovery import Epilogue
from reports.records.record import Record
from reports.records.run import DeclaredTopology, Header, OmittedCell, Run, Timings
from reports.terminal import failure, matrix, summary
from topologies.cluster_state.snapshot import Snapshot
from topologies.common.version import VERSION
from topologies.plugin import TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from probes.judging.run_judge import Judge
    from probes.observation import Observation
    from probes.plan.cell import Cell

STARTED = pytest.StashKey[datetime]()
RECORDS = pytest.StashKey[dict[str, Record]]()
TROUBLE = pytest.StashKey[str]()
JOURNAL = pytest.StashKey[journal.Journal]()
TOLD = pytest.StashKey[bool]()
EPILOGUE = pytest.StashKey[Epilogue]()
REPORT = "report.html"


def pytest_configure(config: pytest.Config) -> None:
    """Remember when the run began; JUnit goes into the run's folder unless it was told where."""
    config.stash[STARTED] = datetime.now(UTC)
    config.stash[RECORDS] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start who has the last word should we be killed; the workers of xdist leave that to the main process."""
    config = session.config
    if not (hasattr(config, "workerinput") or config.getoption("collectonly") or config.getoption("--simulate")):
        config.stash[EPILOGUE] = Epilogue.begin(config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the epilogue go; it has work only where `run.json` could not be written."""
    if EPILOGUE in config.stash:
        config.stash[EPILOGUE].end(told=TOLD in config.stash)


def pytest_hairpin_begins(config: pytest.Config) -> None:
    """From now on there is a readable `run.json`, however the run ends."""
    folder = config.stash[RUN]
    with _troubled(config):
        config.stash[JOURNAL] = journal.Journal(folder, _header(config))
        journal.recover(folder)


def pytest_hairpin_settled(config: pytest.Config, answers: Answers) -> None:
    """Versions and the snapshot, without which nothing observed can be judged."""
    with _troubled(config):
        pages = config.stash[JOURNAL]
        pages.head(_header(config, answers))
        pages.settle(answers.snapshot)


def pytest_hairpin_heard(config: pytest.Config, observations: dict[str, Observation]) -> None:
    """What was observed is on disk before it is judged."""
    with _troubled(config):
        config.stash[JOURNAL].observe(observations.values())


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """Judge every cell and write its record at once, in the process that asked or whichever comes first."""
    began = time.monotonic()
    config.stash[RECORDS] = {record.cell.id: record for record in build.records(judge, cells)}
    timings = Timings(**judge.answers.timings, judge=time.monotonic() - began)
    header, folder = _header(config, judge.answers, timings), config.stash[RUN]
    with FileLock(folder / ".journal"), _troubled(config):
        if JOURNAL in config.stash:
            config.stash[JOURNAL].head(header)
            _write(config, config.stash[JOURNAL])
        elif not (folder / journal.MAIN).exists():
            _write(config, journal.Journal(folder, header))


def _write(config: pytest.Config, pages: journal.Journal) -> None:
    """Journal every record. On a full disk what is not written stays in memory and is told all the same."""
    with pages:
        for record in config.stash[RECORDS].values():
            with contextlib.suppress(journal.JournalError):
                pages.append(record)


@contextlib.contextmanager
def _troubled(config: pytest.Config) -> Iterator[None]:
    """A journal that cannot be written ends nothing: the run is still asked, judged and told in the terminal."""
    try:
        yield
    except (journal.JournalError, KeyError) as error:  # KeyError: the journal could not be opened in the first place
        config.stash.setdefault(TROUBLE, str(error))


def _header(config: pytest.Config, answers: Answers | None = None, timings: Timings | None = None) -> Header:
    topology, plan = config.stash[TOPOLOGY], config.stash[PLAN]
    asked = answers or Answers(Snapshot({}, {}), {}, {}, {})
    known = {name: importlib.metadata.version(name) for name in ("pytest", "kubernetes", "paramiko")}
    return Header(
        environment=TypeAdapter(Environment).dump_python(Environment.of(topology), mode="json"),
        topology=DeclaredTopology.of(topology),
        versions={"hairpin": VERSION, "python": platform.python_version(), **known, **asked.versions},
        started=config.stash[STARTED],
        command=" ".join(["pytest", *map(str, config.invocation_params.args)]),
        plan=tuple(cell.id for cell in plan.cells),
        omissions=tuple(OmittedCell.of(omission) for omission in plan.omissions),
        notes=asked.notes,
        timings=timings or Timings(**asked.timings),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """After a cell's test: its record as JUnit properties, and as Allure labels where that plugin is at work."""
    try:
        return (yield)
    finally:
        cell = _cell(item)
        record = item.config.stash[RECORDS].get(cell.id) if cell is not None else None
        if record is not None:
            item.user_properties.extend(allure.properties(record))
            allure.describe(record, topology=item.config.stash[TOPOLOGY].name)


def _cell(item: pytest.Item) -> Cell | None:
    """The cell this item is about; None for a test of something else."""
    found: Cell | None = getattr(getattr(item, "callspec", None), "params", {}).get("cell")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A cell's failure is its promise and its account; anything else that goes wrong keeps its traceback."""
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance((AssertionError, NotTestedError)) and _cell(item):
        promise = getattr(getattr(item, "function", None), "__doc__", None)
        report.longrepr = failure.told(promise, str(call.excinfo.value))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Say what was not tested before anything else is said of the run."""
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    lines = summary.untested(_records(config), missing_backends(config))
    if lines:
        reporter.line("")  # the progress line has none yet
    for line in lines:
        reporter.write_line(line, red=True)


def _records(config: pytest.Config) -> tuple[Record, ...]:
    """The records of this run, also those of the workers of xdist."""
    if config.stash[RECORDS]:
        return tuple(config.stash[RECORDS].values())
    try:
        return journal.assemble(config.stash[RUN]).records
    except (journal.JournalError, OSError):
        return ()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The matrix, the failures with their account, and where the files are."""
    folder = config.stash[RUN]
    if hasattr(config, "workerinput") or not (config.stash[RECORDS] or (folder / journal.MAIN).exists()):
        return
    width, colour = terminalreporter._tw.fullwidth, terminalreporter._tw.hasmarkup  # noqa: SLF001 - pytest's own way
    run, troubles = _finish(config)
    if run.records:
        terminalreporter.section("matrix")
        terminalreporter.write_line(matrix.render(run.records, width, color=colour, declared=run.topology.declared))
        terminalreporter.section("hairpin")
        terminalreporter.write_line(summary.render(run.records, width, color=colour))
    for note in run.notes:
        terminalreporter.write_line(f"note: {note}", yellow=True)
    for trouble in troubles:
        terminalreporter.write_line(f"not saved: {trouble}", red=True)
    session = config.pluginmanager.getplugin("session")
    if troubles and session is not None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what could not be saved is no success
    spent = ", ".join(f"{name} {took:.1f} s" for name, took in run.timings if took is not None)
    index = folder / claims.FOLDER / claims.INDEX
    written = [path for path in (folder / REPORT, index, folder / journal.RUN) if path.exists()]
    terminalreporter.write_line("\n".join(filter(None, [spent, *map(str, written)])))


def _finish(config: pytest.Config) -> tuple[Run, list[str]]:
    """Put the run together; what cannot be written is said, and the run is told all the same."""
    folder, began, records = config.stash[RUN], time.monotonic(), config.stash[RECORDS]
    troubles = [config.stash[TROUBLE]] if TROUBLE in config.stash else []
    answered = bool(records) or (folder / ANSWERS).exists()
    closing = {"finished": datetime.now(UTC), "complete": answered}
    known = config.stash[JUDGE].answers if JUDGE in config.stash else None
    run = journal.assemble(folder, records.values(), header=_header(config, known), **closing)
    try:
        html.write(run, folder / REPORT)
        run = run.model_copy(update={"timings": run.timings.model_copy(update={"report": time.monotonic() - began})})
        journal.save(run, folder)
        config.stash[TOLD] = True
        if run.records:
            claims.write(folder / claims.FOLDER, [run])
    except journal.JournalError as error:
        troubles.append(str(error))
    return run, troubles
