"""Probe once for all processes of a run, or read what another of them has observed.

The first test that needs an answer probes all cells. With pytest-xdist the other workers wait and read its file. Any
error ends the run with one line and exit code NOT_TESTABLE. It is written to the run's folder, so that no other test
and no other worker deploys and probes everything again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from filelock import FileLock

from probes import session as sessions
from probes.lifecycle.shutdown import Shutdown
from probes.oracle.predict import model_cluster, predict
from topologies.cluster.api import one_line
from topologies.cluster.client import ClusterError
from topologies.cluster_state.snapshot import declared
from topologies.plugin import TOPOLOGY, access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from probes.observation import Observation
    from probes.plan.cell import Cell

RUN = pytest.StashKey[Path]()
SHUTDOWN = pytest.StashKey[Shutdown]()
ANSWERS = "answers.json"  # in the run's folder: what was asked, for all workers of pytest-xdist
FAILED = "not-tested.txt"  # likewise: why nothing could be asked
BEGUN = ".begun"  # likewise: one of them asks, or has asked
ERROR = "error.txt"  # likewise: the traceback of an unforeseen error
NOT_TESTABLE = 6
NOT_SHARED = (
    "the cells could not be judged: another worker of this run began to ask and has not shared its answers "
    "(it was killed, or the disk is full). `hairpin clean` removes what it may have left"
)
INTERRUPTED = "the run was interrupted while it asked"


def run_id(folder: Path) -> str:
    """Return the last part of the name of a run's folder, which is also that of its namespace."""
    return folder.name.rsplit("-", 1)[-1]


def the_answers(config: pytest.Config, cells: list[Cell]) -> sessions.Answers:
    """Probe, or read what another worker has observed; end the run with one line if the cluster cannot be tested."""
    folder = config.stash[RUN]
    with locked(folder, ".asking"), stopping(config, "the cluster could not be tested"):
        if failed := why_not(folder):
            stop(config, failed)
        if (folder / ANSWERS).exists():
            return _read_shared(config)
        if (folder / BEGUN).exists():
            stop(config, NOT_SHARED)
        (folder / BEGUN).touch()
        answers = _conduct(config, cells)
        _share(config, answers)
        return answers


def judging_alone(config: pytest.Config) -> AbstractContextManager[object]:
    """Wait until no other worker of this run asks or judges, and keep them waiting inside the block."""
    return locked(config.stash[RUN], ".judging")


def locked(folder: Path, name: str) -> AbstractContextManager[object]:
    """Make the run's folder and lock a file in it; end the run with one line if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / name).acquire()
    except OSError as error:
        pytest.exit(f"the run's folder {folder} cannot be used: {error.strerror}; give --out=DIR", NOT_TESTABLE)


@contextlib.contextmanager
def stopping(config: pytest.Config, what: str) -> Iterator[None]:
    """End the whole run with one line, for all its processes, when the block raises; an interruption passes through."""
    folder = config.stash[RUN]
    try:
        yield
    except pytest.exit.Exception:
        raise
    except ClusterError as error:
        stop(config, f"{what}: {error}")
    except Exception as error:  # noqa: BLE001 - unforeseen, so of any kind; its traceback is kept
        where = folder / ERROR
        kept = f"traceback in {where}"
        try:
            where.write_text(traceback.format_exc(), encoding="utf-8")
        except OSError as failed:
            kept = f"no traceback kept: {where}: {failed.strerror}"
        stop(config, f"{what}: {type(error).__name__}: {one_line(error)} (a fault of Hairpin; {kept})")
    except BaseException:
        _note(folder, INTERRUPTED)
        raise


def stop(config: pytest.Config, message: str) -> NoReturn:
    """End this process, and by `shouldstop` the controller of xdist, which does not look at a worker's exit code."""
    _note(config.stash[RUN], message)
    if session := config.pluginmanager.getplugin("session"):
        session.shouldstop = message
    pytest.exit(message, returncode=NOT_TESTABLE)


def _note(folder: Path, message: str) -> None:
    with contextlib.suppress(OSError):
        (folder / FAILED).write_text(message, encoding="utf-8")


def why_not(folder: Path) -> str:
    """Return why nothing could be asked in this run; an empty string if it could, as far as known."""
    with contextlib.suppress(OSError):
        return (folder / FAILED).read_text(encoding="utf-8")
    return ""


def _share(config: pytest.Config, answers: sessions.Answers) -> None:
    """Write the answers for the other workers, who cannot judge without."""
    shared = config.stash[RUN] / ANSWERS
    try:
        answers.write(shared)
    except OSError as error:
        message = f"{shared} could not be written: {error.strerror}"
        if hasattr(config, "workerinput"):
            stop(config, f"{message}, so the other workers cannot judge: free space, or run without -n")
        print_progress(config, message)


def _read_shared(config: pytest.Config) -> sessions.Answers:
    """Read what another worker has asked; end the run if the file is not what that worker wrote."""
    shared = config.stash[RUN] / ANSWERS
    try:
        return sessions.Answers.read(shared)
    except (OSError, ValueError) as error:
        got = one_line(error)
        stop(config, f"{shared} cannot be read: got {got}, want the answers that a worker wrote. Run again")


def _conduct(config: pytest.Config, cells: list[Cell]) -> sessions.Answers:
    topology = config.stash[TOPOLOGY]
    if config.getoption("--simulate"):
        snapshot = declared(topology)
        model = model_cluster(topology, snapshot)
        return sessions.simulate(topology, cells, lambda cell, _: predict(model, cell), snapshot)
    options = run_options(config)
    shutdown = begin_shutdown(config)
    config.hook.pytest_hairpin_begins(config=config)

    def observed(found: dict[str, Observation]) -> None:
        if not shutdown.interrupted:  # what is seen from now on, is seen while the namespace is being deleted
            config.hook.pytest_hairpin_observed(config=config, observations=found)

    try:
        return sessions.conduct(
            topology,
            cells,
            run_id(config.stash[RUN]),
            options,
            progress=lambda line: print_progress(config, line),
            observed=observed,
            before_asking=lambda known: config.hook.pytest_hairpin_settled(config=config, answers=known),
            begun=lambda cluster: None if options.keep else shutdown.watch(cluster),
        )
    finally:
        if not shutdown.interrupted:
            shutdown.spare()


def begin_shutdown(config: pytest.Config) -> Shutdown:
    """Let a signal end this process in bounded time from now on; once per process."""
    if SHUTDOWN not in config.stash:
        config.stash[SHUTDOWN] = Shutdown(lambda line: print_progress(config, line))
        config.stash[SHUTDOWN].begin()
    return config.stash[SHUTDOWN]


def run_options(config: pytest.Config) -> sessions.Options:
    """Return how this run probes, by its options and its topology."""
    topology, reached = config.stash[TOPOLOGY], access(config)
    return sessions.Options(
        kubeconfig=reached.kubeconfig,
        context=reached.context,
        ssh=reached.ssh,
        connect_timeout=config.getoption("--connect-timeout") or topology.patience.connect,
        together=topology.patience.together,
        settle_timeout=config.getoption("--settle-timeout") or topology.patience.settle,
        balancer_settle=config.getoption("--balancer-settle"),
        keep=config.getoption("--keep"),
        namespace=reached.namespace,
        logs=reached.logs,
        nodes=reached.nodes or {},
    )


def print_progress(config: pytest.Config, line: str) -> None:
    """Print progress, past pytest's capturing; from a worker of xdist to its stderr. A closed stderr is no error."""
    capture = config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    with contextlib.suppress(OSError, ValueError), shown:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def pid_of(node: object) -> int | None:
    """Return the pid of an xdist worker on this machine; None for any other."""
    process = getattr(getattr(getattr(node, "gateway", None), "_io", None), "popen", None)
    pid = getattr(process, "pid", None)
    return pid if isinstance(pid, int) and pid != os.getpid() else None
