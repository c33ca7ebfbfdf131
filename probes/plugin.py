"""pytest's side of the probes: parametrises `cell` from the plan, asks each cell once, hands out `judge`."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from filelock import FileLock

from probes import session as sessions
from probes.deviations import complaints
from probes.judging import Judge, NotTestedError
from probes.oracle import mutations
from probes.oracle.oracle import expect
from probes.oracle.rules import CATALOGUE, markdown
from probes.plan import Plan, plan
from probes.promise import PromiseError
from probes.selection import SelectionError
from probes.suite import MarkerError, SuiteTest, cells_of, hold, tests_of
from probes.verdict import Facet, Result, Verdict
from topologies.cluster import ClusterError
from topologies.plugin import TOPOLOGY, access

if TYPE_CHECKING:
    from types import ModuleType

    from probes.cell import Cell

PLAN = pytest.StashKey[Plan]()
RUN = pytest.StashKey[Path]()
ANSWERS = "answers.json"  # in the run's folder: what was asked, for all workers of pytest-xdist
NOT_TESTABLE = 6
JUDGE = pytest.StashKey[Judge]()


class Judging(Protocol):
    """The `judge` fixture: the verdict on one facet of a cell, by default the one that the test's marker names.

    Raises NotTestedError if the cell could not be asked, or if the cluster is not the declared one there.
    """

    def __call__(self, cell: Cell, facet: Facet | None = None) -> Verdict: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that say how to ask."""
    group = parser.getgroup("hairpin: how to ask")
    group.addoption(
        "--samples", type=int, default=None, metavar="N", help="attempts a cell (default: enough to see every backend)"
    )
    group.addoption(
        "--connect-timeout",
        type=float,
        default=None,
        metavar="S",
        help="seconds to wait for a TCP answer (default: the topology's, which is 2 where it says nothing)",
    )
    group.addoption(
        "--settle-timeout",
        type=float,
        default=None,
        metavar="S",
        help="seconds to wait for each settling step (default: the topology's, or 60)",
    )
    group.addoption(
        "--balancer-settle",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds that a load balancer which does not tell its pool has for its health checks (default 30)",
    )
    group.addoption("--out", default="out", metavar="DIR", help="where runs are written (default out)")
    group.addoption("--keep", action="store_true", help="leave the run's namespace in the cluster")
    group.addoption("--rules", action="store_true", help="print the catalogue of rules and exit")
    group.addoption(
        "--mutate", default=None, metavar="RULE", help="judge by an oracle with this rule flipped: the run must fail"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the plan and the run's folder; the workers of xdist are told the folder."""
    config.addinivalue_line(
        "markers", "cells(facet, **selectors, expects=...): what is judged of which cells; see probes/suite.py"
    )
    known = [rule.id for rule in CATALOGUE]
    if (rule := config.getoption("--mutate")) and rule not in known:
        message = f"--mutate: got {rule!r}, want one of {', '.join(known)}"
        raise pytest.UsageError(message)
    config.stash[PLAN] = plan(config.stash[TOPOLOGY], config.getoption("--samples"))
    if wrong := complaints(config.stash[TOPOLOGY], config.stash[PLAN].cells):
        raise pytest.UsageError("\n".join(f"{config.getoption('--topology')}: {line}" for line in wrong))
    given = getattr(config, "workerinput", {}).get("hairpin_run")
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    fresh = f"{stamp}-{config.stash[TOPOLOGY].name}-{secrets.token_hex(2)}"
    config.stash[RUN] = Path(given) if given else Path(config.getoption("--out")).absolute() / fresh


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """pytest-xdist: give a worker the run's folder."""
    node.workerinput["hairpin_run"] = str(node.config.stash[RUN])  # type: ignore[attr-defined]


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
    """Verdicts on this run's cells. The first use asks all selected cells, in one process for all xdist workers."""
    judging, test = the_judge(request.session), SuiteTest.of(request.function)

    def verdict(cell: Cell, facet: Facet | None = None) -> Verdict:
        told = judging(cell, facet or (test.facet if test else None))
        if test and test.promise:
            told = hold(test.promise, told, cell, judging)
        if told.result is Result.INCONCLUSIVE:
            raise NotTestedError(str(told))
        return told

    return verdict


def the_judge(session: pytest.Session) -> Judge:
    """The judge of this run, made at its first use."""
    config = session.config
    if JUDGE not in config.stash:
        cells = _selected(session)
        topology = config.stash[TOPOLOGY]
        answers = _answers(config, cells)
        config.stash[JUDGE] = Judge.over(topology, answers, cells, folder=os.path.relpath(config.stash[RUN]))
        config.hook.pytest_hairpin_answered(config=config, judge=config.stash[JUDGE], cells=cells)
    return config.stash[JUDGE]


def _selected(session: pytest.Session) -> list[Cell]:
    """The cells of the items that will run, each once, in the plan's order."""
    wanted = {item.callspec.params["cell"].id for item in session.items if _has_cell(item)}  # type: ignore[attr-defined]
    return [cell for cell in session.config.stash[PLAN].cells if cell.id in wanted]


def _has_cell(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("cell") is not None


def _answers(config: pytest.Config, cells: list[Cell]) -> sessions.Answers:
    """Ask, or read what another worker has asked. A cluster that cannot be tested ends the run with its own message."""
    folder = config.stash[RUN]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        pytest.exit(f"the run's folder {folder} cannot be made: {error.strerror}; give --out DIR", NOT_TESTABLE)
    shared, failed = folder / ANSWERS, folder / "not-tested.txt"
    with FileLock(folder / ".asking"):
        if failed.exists():
            pytest.exit(failed.read_text(encoding="utf-8"), returncode=NOT_TESTABLE)
        if shared.exists():
            return _shared(shared)
        try:
            answers = _conduct(config, cells)
        except ClusterError as error:
            message = f"the cluster could not be tested: {error}"
            with contextlib.suppress(OSError):
                failed.write_text(message, encoding="utf-8")
            pytest.exit(message, returncode=NOT_TESTABLE)
        try:
            answers.write(shared)
        except OSError as error:
            message = f"{shared} could not be written: {error.strerror}"
            if hasattr(config, "workerinput"):
                pytest.exit(f"{message}, so the other workers cannot judge: free space, or run without -n")
            _say(config, message)
        return answers


def _shared(path: Path) -> sessions.Answers:
    """Read what another worker has asked; end the run if it is not what that worker wrote."""
    try:
        return sessions.Answers.read(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        pytest.exit(
            f"{path} cannot be read: got {reason}, want the answers that a worker wrote: run again", NOT_TESTABLE
        )


def _conduct(config: pytest.Config, cells: list[Cell]) -> sessions.Answers:
    topology = config.stash[TOPOLOGY]
    if config.getoption("--simulate"):
        return sessions.simulate(topology, cells, lambda cell, snapshot: expect(topology, snapshot, cell))
    reached = access(config)
    options = sessions.Options(
        kubeconfig=reached.kubeconfig,
        context=reached.context,
        ssh=reached.ssh,
        connect_timeout=config.getoption("--connect-timeout") or topology.patience.connect,
        together=topology.patience.together,
        settle_timeout=config.getoption("--settle-timeout") or topology.patience.settle,
        balancer_settle=config.getoption("--balancer-settle"),
        keep=config.getoption("--keep"),
    )
    run = config.stash[RUN].name.rsplit("-", 1)[-1]
    config.hook.pytest_hairpin_begins(config=config)
    return sessions.conduct(
        topology,
        cells,
        run,
        options,
        say=lambda line: _say(config, line),
        heard=lambda found: config.hook.pytest_hairpin_heard(config=config, observations=found),
        before_asking=lambda known: config.hook.pytest_hairpin_settled(config=config, answers=known),
    )


def _say(config: pytest.Config, line: str) -> None:
    """Progress, past pytest's capturing; from a worker of xdist it goes to the worker's stderr."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """With `--mutate`, the world does what the true rules say, and is judged by an oracle with one rule flipped."""
    rule = session.config.getoption("--mutate")
    if not rule or not session.items:
        return (yield)
    _answers(session.config, _selected(session))
    with mutations.applied(mutations.Mutation(rule)):
        return (yield)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Our own hooks, by which reports hear of the run."""
    from probes import hooks  # noqa: PLC0415 - pytest wants the module object

    pluginmanager.add_hookspecs(hooks)
