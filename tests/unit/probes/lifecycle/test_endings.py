"""However a run ends, it ends within 10 s, and its namespace is removed, or named for `hairpin clean`.

The cluster is a fake API server on loopback. An exec is opened and never answered, so the run is asking until a signal.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from reports.records.journal import load
from tests.unit.support.fake_api import Api, Raw, serve, status
from tests.unit.support.paths import ROOT
from topologies.loading.load import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # each run takes seconds to start and to end
ENDS_S = 10.0
SLACK_S = 3.0  # for the interpreter of a loaded machine to exit
IMAGE = "images: {agnhost: registry.example/agnhost:1}\n"


@dataclass
class Run:
    """One run of pytest against the fake API; `moment` is when the test acts on it."""

    api: Api
    kubeconfig: Path
    folder: Path
    _process: subprocess.Popen[str] | None = None
    moment: Event = field(default_factory=Event)

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the run was not started"
        return self._process

    def start(self, *more: str, **options: Any) -> None:
        text = (LIBRARY / "lab-small.yaml").read_text(encoding="utf-8").replace("name: lab-small", "name: fake")
        topology = self.folder / "fake.yaml"
        topology.write_text(text.replace("lab: {}", IMAGE), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", f"--topology={topology}", f"--kubeconfig={self.kubeconfig}"]
        chosen = ["-k", "pod-n1 and web-np", f"--out={self.folder / 'out'}", "--balancer-settle=0"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        self._process = subprocess.Popen(
            [*command, *chosen, *more], cwd=ROOT, text=True, start_new_session=True, **streams
        )

    def stop(self) -> None:
        """Kill the run and its children, if it was started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def at(self, call: str) -> None:
        """Set `moment` at this call of the API. For `asking`, the fake API refuses earlier execs on nodes at once."""
        if call == CALLS["asking"]:
            self.api.script[".*/host-[^/]+/exec"] = status(403, "no exec here")
        after = self.api.script.get(call)

        def reached() -> Raw:
            del self.api.script[call]
            if after is not None:
                self.api.script[call] = after
            self.moment.set()
            method, _, path = self.api.calls[-1].partition(" ")
            return self.api.answer(method, path, "", self.api.body)

        rest = {name: one for name, one in self.api.script.items() if name != call}
        self.api.script = {call: reached, **rest}

    def ended(self) -> tuple[int, str, float]:
        """Exit code, what was printed, and seconds from now to the end."""
        began = time.monotonic()
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, (out or "") + (err or ""), time.monotonic() - began


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    api = Api(exec_delay_s=40)
    with serve(api, tmp_path) as kubeconfig:
        made = Run(api, kubeconfig, tmp_path)
        yield made
        made.stop()


def hang() -> Raw:
    time.sleep(30)
    return status(504, "too late")


def interrupted(run: Run, call: str, *more: str, signals: tuple[int, ...] = (signal.SIGINT,)) -> tuple[int, str, float]:
    run.at(call)
    run.start(*more)
    assert run.moment.wait(120), run.ended()
    time.sleep(0.3)
    began = time.monotonic()
    for number in signals:
        os.killpg(run.process.pid, number)
        time.sleep(1.2 if len(signals) > 1 else 0)
    code, told, _ = run.ended()
    return code, told, time.monotonic() - began


CALLS = {
    "creating": "POST /api/v1/namespaces",
    "deploying": "POST .*/pods",
    "settling": "GET .*/endpoints",
    "comparing": ".*/host-n1/exec",
    "asking": ".*/pod-n1/exec",
}


@pytest.mark.parametrize(
    ("number", "moment"),
    [*((signal.SIGINT, moment) for moment in CALLS), (signal.SIGTERM, "asking"), (signal.SIGHUP, "asking")],
)
def test_a_signal_ends_a_run_and_its_namespace(number: int, moment: str, run: Run) -> None:
    code, told, took = interrupted(run, CALLS[moment], signals=(number,))

    assert code == 2, told
    assert took < ENDS_S + SLACK_S
    assert run.api.namespaces() == set(), told
    assert "Traceback" not in told
    left = load(run.folder / "out" / "last")
    assert {record.verdict for record in left.records} <= {"inconclusive"}


def test_two_signals_end_it_too(run: Run) -> None:
    code, told, took = interrupted(run, CALLS["asking"], signals=(signal.SIGINT, signal.SIGINT))

    assert code == 2, told
    assert "Traceback" not in told
    assert took < ENDS_S
    assert run.api.namespaces() == set()


def test_a_namespace_that_cannot_be_removed_is_named(run: Run) -> None:
    run.api.script["DELETE .*"] = hang
    code, told, took = interrupted(run, CALLS["asking"])

    assert code == 2, told
    assert took < ENDS_S + SLACK_S
    [left] = run.api.namespaces()
    assert f"namespace {left} is left behind, remove it with `hairpin clean`" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_with_workers_of_xdist_it_is_the_same(number: int, run: Run) -> None:
    code, told, took = interrupted(run, CALLS["asking"], "-n2", signals=(number,))

    assert code == 2, told
    assert took < ENDS_S + SLACK_S
    assert run.api.namespaces() == set()
    assert not others(run.process.pid)


def test_a_controller_that_is_told_to_end_ends_its_workers(run: Run) -> None:
    """Only the controller gets the signal, as from `kill` or a CI system."""
    run.at(CALLS["asking"])
    run.start("-n2")
    assert run.moment.wait(120)
    began = time.monotonic()
    os.kill(run.process.pid, signal.SIGTERM)
    code, told, _ = run.ended()

    assert (code, run.api.namespaces()) == (2, set()), told
    assert time.monotonic() - began < ENDS_S + SLACK_S
    assert not others(run.process.pid)


def test_a_closed_terminal_ends_a_run(run: Run) -> None:
    """The kernel sends SIGHUP, and every later write fails with EIO."""
    ours, theirs = os.openpty()
    run.at(CALLS["asking"])
    run.start(stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0))
    os.close(theirs)
    deadline = time.monotonic() + 120
    while not run.moment.is_set() and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            os.read(ours, 4096)
    assert run.moment.is_set()
    began = time.monotonic()
    os.close(ours)
    run.process.wait(60)

    assert time.monotonic() - began < ENDS_S + SLACK_S
    assert run.api.namespaces() == set()


def others(leader: int) -> list[str]:
    """The processes of this session that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[3]) == leader:
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_pipe_ends_nothing_but_the_output(closed: str, run: Run) -> None:
    run.api.exec_delay_s = 0
    reads, writes = os.pipe()
    os.close(reads)
    run.start(**{closed: writes})
    os.close(writes)
    code, told, _ = run.ended()

    assert code in {1, 120}, told
    assert run.api.namespaces() == set(), told
    until_readable(run)


def until_readable(run: Run) -> None:
    """The epilogue may still be writing it."""
    for _ in range(100):
        if load(run.folder / "out" / "last").records:
            return
        time.sleep(0.2)
    pytest.fail("no record in run.json")


@pytest.mark.parametrize("workers", [(), ("-n2",)])
@pytest.mark.parametrize("fault", ["html", "exception"])
def test_what_goes_wrong_goes_wrong_once(fault: str, workers: tuple[str, ...], run: Run) -> None:
    run.api.exec_delay_s = 0
    if fault == "html":
        run.api.script["GET .*/hairpin-[^/]+/services"] = Raw(b"<html>log in</html>", 200, "text/html")
        more: tuple[str, ...] = ()
        says = "the cluster could not be tested: list Services in hairpin-"
    else:
        more = ("-p", "tests.unit.support.faulty")
        says = "the cluster could not be tested: RuntimeError: nobody foresaw this (a fault of Hairpin; traceback in "
    run.start(*workers, *more)
    code, told, _ = run.ended()

    assert code == 6, told
    assert told.count("Traceback") == 0, told
    assert run.api.calls.count("POST /api/v1/namespaces") == 1
    assert run.api.namespaces() == set()
    lines = [line for line in told.splitlines() if line.startswith(says)]
    assert len(lines) == 1, told
    [folder] = (path for path in (run.folder / "out").iterdir() if not path.is_symlink())
    assert (folder / "error.txt").exists() == (fault == "exception")
    first_after_dots(told, says)


def first_after_dots(told: str, says: str) -> None:
    """Of what pytest prints at the end (stdout comes first here), the reason comes first."""
    printed = [line for line in told.splitlines() if line.strip() and not line.startswith(("bringing up", "settling"))]
    assert printed[0].startswith(says), told


THREAD_AT_THE_END = """
import sys, threading, time
from probes.lifecycle.shutdown import Shutdown

def write():
    while True:
        sys.stderr.write("x" * 1000 + chr(10))
        time.sleep(0)

shutdown = Shutdown(print)
shutdown.begin()
for _ in range(8):
    threading.Thread(target=write, daemon=True).start()
time.sleep(0.3)
shutdown.exit_code = 5
shutdown.end()
"""


def test_threads_that_still_print_do_not_abort_the_end() -> None:
    """The interpreter aborts if one of them holds the lock of stderr while it ends."""
    codes = {
        subprocess.run(
            [sys.executable, "-c", THREAD_AT_THE_END], cwd=ROOT, stderr=subprocess.DEVNULL, check=False
        ).returncode
        for _ in range(8)
    }

    assert codes == {5}
