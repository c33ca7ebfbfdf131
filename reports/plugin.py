"""The pytest plugin of the reports: journal, JUnit properties, Allure labels, terminal summary, run.json, HTML."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.junitxml import xml_key  # pytest's own way to a suite's properties is a fixture, which a hook cannot use
from filelock import FileLock

from probes.judging.run_judge import NotTestedError
from probes.plugin import ANSWERS, JUDGE, PLAN, RUN, missing_backends
from probes.scenarios.results import FILE_NAME
from probes.session import Answers
from probes.shared_answers import why_not
from probes.shared_verdicts import SharedJudge
from reports import allure, quiet_lists
from reports.analysis.causes.run_verdict import RunVerdict
from reports.analysis.contract import add_contract
from reports.analysis.explanations import add_explanations
from reports.analysis.repeat_command import format_command
from reports.html import claims
from reports.html import run as html
from reports.records import build, journal
from reports.records.crash_recovery import CrashRecovery
from reports.records.record import Record
from reports.records.run import DeclaredTopology, Header, OmittedCell, Run, Timings, read_environment
from reports.scenario_items import scenario_of, scenario_properties
from reports.terminal import end_of_run, failure, summary
from reports.terminal.end_of_run import Conclusion, Screen
from topologies.cluster_state.snapshot import Snapshot
from topologies.common.version import VERSION
from topologies.plugin import RAW, TOPOLOGY, runs_suites

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from probes.judging.run_judge import Judge
    from probes.observation import Observation
    from probes.plan.cell import Cell

STARTED = pytest.StashKey[datetime]()
BEGAN = pytest.StashKey[float]()  # the same moment on the monotonic clock
RECORDS = pytest.StashKey[dict[str, Record]]()
SHARED = pytest.StashKey[journal.RecordLines]()
TROUBLE = pytest.StashKey[str]()
JOURNAL = pytest.StashKey[journal.Journal]()
SAVED = pytest.StashKey[bool]()
CONCLUDED = pytest.StashKey[Conclusion]()
RECOVERY = pytest.StashKey[CrashRecovery]()
REPORT = "report.html"
HYPOTHESIS = "hypothesispytest"  # its plugin imports hypothesis for a summary that suites do not have: 1.1 s


def pytest_configure(config: pytest.Config) -> None:
    """Note when the run began."""
    config.stash[STARTED], config.stash[BEGAN] = datetime.now(UTC), time.monotonic()
    if runs_suites(config):
        config.pluginmanager.set_blocked(HYPOTHESIS)
    config.stash[RECORDS] = {}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the process that recovers the run if it is killed; not in an xdist worker."""
    config = session.config
    if not (hasattr(config, "workerinput") or config.getoption("collectonly") or config.getoption("--simulate")):
        config.stash[RECOVERY] = CrashRecovery.begin(config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End that process; it has work only if `run.json` could not be written."""
    if RECOVERY in config.stash:
        config.stash[RECOVERY].end(saved=SAVED in config.stash)


def pytest_hairpin_begins(config: pytest.Config) -> None:
    """Write the first `run.json`, so that there is one however the run ends."""
    folder = config.stash[RUN]
    with _troubled(config):
        config.stash[JOURNAL] = journal.Journal(folder, _header(config))
        journal.recover(folder)


def pytest_hairpin_settled(config: pytest.Config, answers: Answers) -> None:
    """Write the versions and the snapshot, which judging needs."""
    with _troubled(config):
        log = config.stash[JOURNAL]
        log.head(_header(config, answers))
        log.settle(answers.snapshot)


def pytest_hairpin_observed(config: pytest.Config, observations: dict[str, Observation]) -> None:
    """Write observations before they are judged."""
    with _troubled(config):
        config.stash[JOURNAL].observe(observations.values())


def pytest_hairpin_answered(config: pytest.Config, judge: Judge, cells: list[Cell]) -> None:
    """Judge every cell and write its record at once, in the process that probed or in the first worker."""
    began = time.monotonic()
    config.stash[RECORDS] = {record.cell.id: record for record in build.records(judge, cells)}
    timings = Timings(**judge.answers.timings, judge=time.monotonic() - began)
    header, folder = _header(config, judge.answers, timings), config.stash[RUN]
    with FileLock(folder / ".journal"), _troubled(config):
        if JOURNAL in config.stash:
            config.stash[JOURNAL].head(header)
            _write(config, config.stash[JOURNAL])
        elif not (folder / journal.MAIN).exists():
            log = journal.Journal(folder, header)
            with contextlib.suppress(journal.JournalError):
                log.settle(judge.answers.snapshot)
            _write(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Write the first `run.json` before scenarios run, so that there is one however a run without cells ends."""
    folder = item.config.stash[RUN]
    if scenario_of(item) and not (item.config.getoption("--simulate") or (folder / journal.RUN).exists()):
        with _troubled(item.config), contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            journal.save(journal.assemble(folder, header=_header(item.config)), folder)


def pytest_hairpin_scenarios_settled(config: pytest.Config, answers: Answers) -> None:
    """Write what each node runs into the first `run.json` of a run without cells."""
    folder = config.stash[RUN]
    if not (folder / journal.MAIN).exists():
        with _troubled(config), contextlib.suppress(OSError):
            journal.save(journal.assemble(folder, header=_header(config, answers)), folder)


def _write(config: pytest.Config, log: journal.Journal) -> None:
    """Write every record to the journal. On a full disk records stay in memory and are still reported."""
    with log:
        for record in config.stash[RECORDS].values():
            with contextlib.suppress(journal.JournalError):
                log.append(record)


@contextlib.contextmanager
def _troubled(config: pytest.Config) -> Iterator[None]:
    """Keep the first error of the journal for the summary: the run goes on without its journal."""
    try:
        yield
    except (journal.JournalError, KeyError) as error:  # KeyError: the journal could not be opened in the first place
        config.stash.setdefault(TROUBLE, str(error))


def _header(config: pytest.Config, answers: Answers | None = None, timings: Timings | None = None) -> Header:
    topology, plan = config.stash[TOPOLOGY], config.stash[PLAN]
    asked = answers or Answers(Snapshot({}, {}), {}, {}, {})
    known = {name: importlib.metadata.version(name) for name in ("pytest", "kubernetes", "paramiko")}
    return Header(
        environment=read_environment(topology),
        topology=DeclaredTopology.of(topology),
        raw_topology=config.stash[RAW],
        versions={"hairpin": VERSION, "python": platform.python_version(), **known, **asked.versions},
        nodes=asked.nodes,
        started=config.stash[STARTED],
        command=format_command(config.invocation_params.args),
        plan=tuple(cell.id for cell in plan.cells),
        omissions=tuple(OmittedCell.of(omission) for omission in plan.omissions),
        notes=asked.notes,
        timings=timings or Timings(**asked.timings),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Add a cell's record or a scenario's times to its test: JUnit properties, and Allure labels with that plugin."""
    try:
        return (yield)
    finally:
        cell = _cell(item)
        record = _record(item.config, cell) if cell is not None else None
        if record is not None:
            item.user_properties.extend(allure.properties(record))
            allure.describe(record, topology=item.config.stash[TOPOLOGY].name)
        if name := scenario_of(item):
            item.user_properties.extend(scenario_properties(item.config.stash[RUN], name))


def _record(config: pytest.Config, cell: Cell) -> Record | None:
    """Return a cell's record; None before the cells were judged. Another worker of xdist may have made it."""
    records = config.stash[RECORDS]
    if cell.id not in records and isinstance(judge := config.stash.get(JUDGE, None), SharedJudge):
        found = config.stash.setdefault(SHARED, journal.RecordLines(config.stash[RUN])).record(cell.id)
        records[cell.id] = found or next(build.records(judge, [cell]))
    return records.get(cell.id)


def _cell(item: pytest.Item) -> Cell | None:
    """Return the cell of a test; None if it has none."""
    found: Cell | None = getattr(getattr(item, "callspec", None), "params", {}).get("cell")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the failure of a cell or a scenario as promise and account; any other error keeps its traceback."""
    report = yield
    own = call.excinfo is not None and call.excinfo.errisinstance((AssertionError, NotTestedError))
    if call.excinfo is not None and own and (_cell(item) or scenario_of(item)):
        promise = getattr(getattr(item, "function", None), "__doc__", None)
        report.longrepr = failure.format_failure(promise, str(call.excinfo.value))
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Print what was not tested before everything else, and the verdict after everything else."""
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return (yield)
    if exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and (ended := _concluded(config)):
        _describe_suite(config, ended)
    if lines := summary.untested(_records(config), missing_backends(config)):
        reporter.line("")  # the progress line has none yet
        for line in lines:
            reporter.write_line(line, red=True)
    result = yield
    if CONCLUDED in config.stash:
        end_of_run.write(reporter, config.stash[CONCLUDED], _files(config), _screen(reporter))
    return result


def _files(config: pytest.Config) -> list[Path]:
    """Return what the run has written; the vendors' tables only if all cells passed, or with -v."""
    folder, failed = config.stash[RUN], bool(config.stash[CONCLUDED].verdict.groups)
    index = () if failed and config.get_verbosity() <= 0 else (folder / claims.FOLDER / claims.INDEX,)
    return [path for path in (folder / REPORT, *index, folder / journal.RUN) if path.exists()]


def _screen(reporter: pytest.TerminalReporter) -> Screen:
    writer = reporter._tw  # noqa: SLF001 - pytest's own way
    return Screen(writer.fullwidth, writer.hasmarkup, getattr(writer._file, "encoding", None) or "utf-8")  # noqa: SLF001 - likewise


def _describe_suite(config: pytest.Config, ended: Conclusion) -> None:
    """Write the verdict and the explanations to JUnit, and to the overview of Allure."""
    found = allure.suite_properties(ended.verdict)
    if xml := config.stash.get(xml_key, None):
        for name, value in found:
            xml.add_global_property(name, value)
    if folder := config.getoption("allure_report_dir", default=None):
        with _troubled(config):
            allure.write_environment(Path(folder), found)


def _records(config: pytest.Config) -> tuple[Record, ...]:
    """Return the records of this run, including those of xdist workers."""
    if CONCLUDED in config.stash:
        return config.stash[CONCLUDED].run.records
    if config.stash[RECORDS]:
        return tuple(config.stash[RECORDS].values())
    try:
        return journal.assemble(config.stash[RUN]).records
    except (journal.JournalError, OSError):
        return ()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Write the run's files, and leave the tests of cells out of pytest's lists unless these are asked for."""
    _concluded(config)
    if quiet_lists.shows_lists(config.invocation_params.args, config.get_verbosity()):
        return (yield)
    with quiet_lists.without_cells(terminalreporter.stats):
        return (yield)


def _concluded(config: pytest.Config) -> Conclusion | None:
    """Return the run, what could not be saved of it, and its verdict, made once; None if nothing was judged here."""
    judged = config.stash[RECORDS] or any((config.stash[RUN] / name).exists() for name in (journal.MAIN, FILE_NAME))
    if CONCLUDED not in config.stash and judged and not hasattr(config, "workerinput"):
        run, troubles = _finish(config)
        config.stash[CONCLUDED] = Conclusion(run, tuple(troubles), RunVerdict.of(run))
        session = config.pluginmanager.getplugin("session")
        if troubles and session is not None and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what could not be saved is no success
    return config.stash.get(CONCLUDED, None)


def _finished(config: pytest.Config) -> datetime:
    """Return the end of the run, counted from its start on the monotonic clock: the wall clock may be set meanwhile."""
    return config.stash[STARTED] + timedelta(seconds=time.monotonic() - config.stash[BEGAN])


def _begun(config: pytest.Config) -> Header:
    """Return the header of a run without answers of its own; what scenarios found is in its first `run.json`."""
    header, found = _header(config), dict[str, object]()
    with contextlib.suppress(journal.JournalError, OSError):
        first = journal.load(config.stash[RUN])
        found = {name: getattr(first, name) for name in ("versions", "nodes", "notes", "timings")}
    return header.model_copy(update=found)


def _finish(config: pytest.Config) -> tuple[Run, list[str]]:
    """Return the run, and what could not be written of it."""
    folder, began, records = config.stash[RUN], time.monotonic(), config.stash[RECORDS]
    troubles = [config.stash[TROUBLE]] if TROUBLE in config.stash else []
    answered = bool(records) or (folder / ANSWERS).exists() or ((folder / FILE_NAME).exists() and not why_not(folder))
    closing = {"finished": _finished(config), "complete": answered}
    known = config.stash[JUDGE].answers if JUDGE in config.stash else None
    header = _header(config, known) if known else _begun(config)
    assembled = journal.assemble(folder, records.values(), header=header, **closing)
    run = add_contract(add_explanations(assembled))
    try:
        html.write(run, folder / REPORT)
        run = run.model_copy(update={"timings": run.timings.model_copy(update={"report": time.monotonic() - began})})
        journal.save(run, folder)
        config.stash[SAVED] = True
        if run.records:
            claims.write(folder / claims.FOLDER, [run])
    except journal.JournalError as error:
        troubles.append(str(error))
    return run, troubles
