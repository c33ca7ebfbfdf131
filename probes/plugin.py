"""The pytest plugin of the probes: parametrises `cell` from the plan, probes each cell once, provides `judge`."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from probes import options, shared_verdicts
from probes.contract.cluster_judge import judge_over
from probes.contract.judging import ContractResult
from probes.contract.load import rows
from probes.contract.observed import ObservedContract
from probes.contract.selecting import cells_of_row
from probes.judging.promise import PromiseError
from probes.judging.run_judge import Judge, NotTestedError
from probes.judging.suite import MarkerError, SuiteTest, cells_of, hold, tests_of
from probes.judging.verdict import Facet, Result, Verdict
from probes.lifecycle.shutdown import drop_lines_unknown
from probes.oracle.catalogue import CATALOGUE, markdown
from probes.oracle.mutation import mutations
from probes.plan.deviations import complaints
from probes.plan.plan import Plan, plan
from probes.plan.selection import SelectionError
from probes.session import Answers
from probes.shared_answers import (
    ANSWERS,
    INTERRUPTED,
    NOT_TESTABLE,
    RUN,
    SHUTDOWN,
    begin_shutdown,
    judging_alone,
    pid_of,
    stopping,
    the_answers,
    why_not,
)
from topologies.cluster_state.shortfalls import shortfalls
from topologies.frontends import FrontendKind
from topologies.plugin import TOPOLOGY, runs_suites
from topologies.schema import limits
from topologies.schema.enums import VantageKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from probes.contract.judging import RowVerdict
    from probes.contract.model import ContractRow
    from probes.plan.cell import Cell
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

__all__ = ["ANSWERS", "JUDGE", "NOT_TESTABLE", "PLAN", "RUN"]

PLAN = pytest.StashKey[Plan]()
JUDGE = pytest.StashKey[Judge]()
CONTRACT = pytest.StashKey[ObservedContract]()
CONTRACT_ROW = "contract_row"  # the parameter of a test of one row, and the property of its report


class Judging(Protocol):
    """The `judge` fixture: the verdict on one facet of a cell, by default the one that the test's marker names.

    Raises NotTestedError if the cell could not be asked, or if the cluster is not the declared one there.
    """

    def __call__(self, cell: Cell, facet: Facet | None = None) -> Verdict: ...


class ContractJudging(Protocol):
    """The `judge_row` fixture: the verdict on a row of the API's contract, and whether it fails the test."""

    def __call__(self, row: ContractRow) -> tuple[RowVerdict, bool]: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for probing."""
    group = parser.getgroup("hairpin: how to ask")
    group.addoption(
        "--samples",
        type=options.samples,
        default=None,
        metavar="N",
        help="attempts a cell (default: enough to see every backend)",
    )
    group.addoption(
        "--every-node", action="store_true", help="ask NodePorts at every node (default: at one node of each class)"
    )
    group.addoption(
        "--connect-timeout",
        type=options.seconds,
        default=None,
        metavar="S",
        help="seconds to wait for a TCP answer (default: the topology's, or 2)",
    )
    group.addoption(
        "--settle-timeout",
        type=options.seconds,
        default=None,
        metavar="S",
        help="seconds to wait for each settling step (default: the topology's, or 60)",
    )
    group.addoption(
        "--balancer-settle",
        type=options.seconds_or_none,
        default=30.0,
        metavar="S",
        help="seconds that a load balancer that does not report its pool has for its health checks (default 30)",
    )
    group.addoption("--out", default="out", metavar="DIR", help="where runs are written (default out)")
    group.addoption("--keep", action="store_true", help="leave the run's namespace in the cluster")
    group.addoption("--rules", action="store_true", help="print the catalogue of rules and exit")
    group.addoption(
        "--mutate", default=None, metavar="RULE", help="judge by an oracle with this rule flipped: the run must fail"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the plan and the run's folder; pass the folder to the workers of xdist."""
    config.addinivalue_line(
        "markers", "cells(facet, **selectors, expects=...): what is judged of which cells; see probes/judging/suite.py"
    )
    known = [rule.id for rule in CATALOGUE]
    if (rule := config.getoption("--mutate")) and rule not in known:
        message = f"--mutate: got {rule!r}, want one of {', '.join(known)}"
        raise pytest.UsageError(message)
    if not config.stash[TOPOLOGY].proxy.is_kube_proxy and (config.getoption("--simulate") or rule):
        kind = config.stash[TOPOLOGY].proxy.kind
        message = f"--simulate and --mutate: got proxy.kind {kind}, want kube-proxy: only its rules predict answers"
        raise pytest.UsageError(message)
    every_node = config.getoption("--every-node")
    config.stash[PLAN] = plan(config.stash[TOPOLOGY], config.getoption("--samples"), every_node=every_node)
    if len(config.stash[PLAN].cells) > limits.CELLS:
        message = f"--every-node: got {len(config.stash[PLAN].cells)} cells, want at most {limits.CELLS}"
        raise pytest.UsageError(message)
    if wrong := complaints(config.stash[TOPOLOGY], config.stash[PLAN].cells):
        raise pytest.UsageError("\n".join(f"{config.getoption('--topology')}: {line}" for line in wrong))
    given = getattr(config, "workerinput", {}).get("hairpin_run")
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    fresh = f"{stamp}-{config.stash[TOPOLOGY].name}-{_unique()}"
    config.stash[RUN] = Path(given) if given else Path(config.getoption("--out")).absolute() / fresh


def _unique() -> str:
    """Return 13 characters (65 bits) that no other run has, as they may be part of a namespace's name."""
    return base64.b32encode(secrets.token_bytes(8)).decode().rstrip("=").lower()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """pytest-xdist: give a worker the run's folder, and end it with us when we get a signal."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    node.workerinput["hairpin_run"] = str(config.stash[RUN])  # type: ignore[attr-defined]
    if config.getoption("--simulate") or not runs_suites(config):
        return
    shutdown = begin_shutdown(config)
    if pid := pid_of(node):
        shutdown.workers.add(pid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give the run its exit code: NOT_TESTABLE also in the controller of xdist, whose workers could not ask."""
    config = session.config
    if shutdown := config.stash.get(SHUTDOWN, None):
        shutdown.finish()
    if why_not(config.stash[RUN]) not in {"", INTERRUPTED}:
        session.exitstatus = NOT_TESTABLE
    elif exitstatus == pytest.ExitCode.OK and missing_backends(config):  # also where `-k` chose none of their cells
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if shutdown:
        if shutdown.interrupted and session.exitstatus == pytest.ExitCode.OK:  # a second signal came in between
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        shutdown.exit_code = int(session.exitstatus or exitstatus)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print why nothing could be asked, before anything else."""
    if (reason := why_not(config.stash[RUN])) and not hasattr(config, "workerinput"):
        terminalreporter.ensure_newline()
        terminalreporter.write_line(reason, red=True, bold=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the process end: an interrupted run has a moment to exit by itself."""
    if shutdown := config.stash.get(SHUTDOWN, None):
        if session := config.pluginmanager.getplugin("session"):
            shutdown.exit_code = int(session.exitstatus)
        shutdown.end()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """`--rules` prints the catalogue and ends."""
    if not config.getoption("--rules"):
        return None
    sys.stdout.write(markdown())
    return 0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a cell. A misspelt marker is a collection error; a topology without such cells is a named skip."""
    if "cell" not in metafunc.fixturenames:
        return
    topology, cells = metafunc.config.stash[TOPOLOGY], metafunc.config.stash[PLAN].cells
    try:
        test = SuiteTest.of(metafunc.function)
        if test is None:
            return
        if not topology.proxy.is_kube_proxy:
            reason = (
                f"topology {topology.name} declares no cell for kube-proxy's rules: proxy.kind {topology.proxy.kind}"
            )
            metafunc.parametrize("cell", [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="not-by-rules")])
            return
        chosen = cells_of(test, _beside(metafunc.module), cells, topology)
    except (SelectionError, PromiseError, MarkerError) as error:
        message = f"{metafunc.definition.nodeid}: {error}"
        raise pytest.UsageError(message) from error
    if chosen:
        metafunc.parametrize("cell", chosen, ids=[cell.id for cell in chosen])
        return
    reason = f"topology {topology.name} declares no cell for {dict(test.selectors)}"
    metafunc.parametrize("cell", [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none-declared")])


def _beside(module: ModuleType) -> tuple[SuiteTest, ...]:
    """Return the tests of a module's package, to which a test without `expects` leaves what they promise."""
    return tests_of(sys.modules[module.__package__]) if module.__package__ else ()


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judging:
    """Return verdicts on this run's cells. The first use probes all selected cells, in one process for all workers."""
    judging, test = the_judge(request.session), SuiteTest.of(request.function)

    def verdict(cell: Cell, facet: Facet | None = None) -> Verdict:
        found = judging(cell, facet or (test.facet if test else None))
        if test and test.promise:
            found = hold(test.promise, found, cell, judging)
        if found.result is Result.INCONCLUSIVE:
            raise NotTestedError(str(found))
        return found

    return verdict


@pytest.fixture
def judge_row(request: pytest.FixtureRequest) -> ContractJudging:
    """Return verdicts on the rows of the API's contract, by what was observed of the selected cells."""
    session = request.session
    if CONTRACT not in session.config.stash:
        session.config.stash[CONTRACT] = ObservedContract(the_judge(session), tuple(_selected(session)))
    contract = session.config.stash[CONTRACT]

    def verdict(row: ContractRow) -> tuple[RowVerdict, bool]:
        found = contract.verdict(row)
        request.node.user_properties.extend([(CONTRACT_ROW, row.id), ("contract_verdict", str(found.result))])
        return found, found.result is ContractResult.BROKEN and not contract.judge.topology.proxy.is_kube_proxy

    return verdict


def the_judge(session: pytest.Session) -> Judge:
    """Return the judge of this run, made at its first use; with pytest-xdist one worker judges for all."""
    config = session.config
    if JUDGE not in config.stash:
        cells, shares = _selected(session), hasattr(config, "workerinput")
        with judging_alone(config) if shares else contextlib.nullcontext():
            config.stash[JUDGE] = (_shared_judge(config, cells) if shares else None) or _judge(config, cells)
    return config.stash[JUDGE]


def _judge(config: pytest.Config, cells: list[Cell]) -> Judge:
    """Ask, or read the answers, and judge every cell; share the verdicts with the other workers."""
    made = _judge_over(config, cells)
    with stopping(config, "the run could not be judged"):
        config.hook.pytest_hairpin_answered(config=config, judge=made, cells=cells)
        if hasattr(config, "workerinput"):
            shared_verdicts.write(config.stash[RUN], made, cells)
    return made


def _judge_over(config: pytest.Config, cells: list[Cell]) -> Judge:
    answers = the_answers(config, cells)
    with stopping(config, "the run could not be judged"):
        return judge_over(config.stash[TOPOLOGY], answers, cells, folder=os.path.relpath(config.stash[RUN]))


def _shared_judge(config: pytest.Config, cells: list[Cell]) -> Judge | None:
    folder = config.stash[RUN]
    name = os.path.relpath(folder)
    return shared_verdicts.read(folder, config.stash[TOPOLOGY], name, lambda: _judge_over(config, cells))


def missing_backends(config: pytest.Config) -> tuple[str, ...]:
    """Return the reasons why declared backends were not there; none in a run that was not answered."""
    try:
        return shortfalls(config.stash[TOPOLOGY], _snapshot(config)).backends
    except (OSError, ValueError):  # not asked, not written, or cut short by a full disk
        return ()


def _snapshot(config: pytest.Config) -> Snapshot:
    if JUDGE in config.stash:
        return config.stash[JUDGE].answers.snapshot
    folder = config.stash[RUN]
    return shared_verdicts.snapshot(folder) or Answers.read(folder / ANSWERS).snapshot


def _selected(session: pytest.Session) -> list[Cell]:
    """Return the cells of the items that will run, each once, in the plan's order.

    All are asked if every row of the contract will run. Some rows take what was asked for other tests. If they alone
    will run, their own cells are asked.
    """
    cells = session.config.stash[PLAN].cells
    params = (getattr(getattr(item, "callspec", None), "params", {}) for item in session.items)
    chosen = [one[CONTRACT_ROW] for one in params if CONTRACT_ROW in one]
    if len(chosen) == sum(bool(row.asks) for row in rows()):
        return list(cells)
    wanted = {item.callspec.params["cell"].id for item in session.items if _has_cell(item)}  # type: ignore[attr-defined]
    wanted = wanted or set(_cells_of_rows(chosen, cells, session.config.stash[TOPOLOGY]))
    return [cell for cell in cells if cell.id in wanted]


def _cells_of_rows(chosen: Sequence[ContractRow], cells: Sequence[Cell], topology: Topology) -> Iterator[str]:
    """Yield the ids of the cells that the rows need."""
    asking = {cell.id: cell for row in chosen for cell in cells_of_row(row, cells, topology)}
    clients = {cell.vantage.name for cell in asking.values() if cell.vantage.kind is not VantageKind.EXTERNAL}
    yield from asking
    yield from (one.id for one in cells if one.frontend.kind is FrontendKind.ENDPOINT and one.vantage.name in clients)


def _has_cell(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("cell") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """With `--mutate`, simulate by the true rules, and judge by an oracle with one rule inverted."""
    rule = session.config.getoption("--mutate")
    if not rule or not session.items:
        return (yield)
    the_answers(session.config, _selected(session))
    with mutations.apply_mutation(mutations.Mutation(rule)):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Make the interruption's traceback one that pytest can print."""
    drop_lines_unknown(excinfo)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add our own hooks, which inform reports of the run."""
    from probes import hooks  # noqa: PLC0415 - pytest needs the module object

    pluginmanager.add_hookspecs(hooks)
