"""Client, keeper and server together, with a process of this machine in the place of the guest's kernel."""

# ruff: noqa: S603 - our own commands
from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from topologies.lab.guest import client, guest
from topologies.lab.guest.client import DoorError
from topologies.lab.guest.keeper import Keeper
from topologies.lab.guest.wire import WINDOW, Frame, Kind
from topologies.lab.lab import Lab
from topologies.lab.processes import Process, spawn, until
from topologies.lab.state import State, write

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = f"from topologies.lab.guest.serving import Server; Server({guest.LINE}).serve()"
ENV = {**os.environ, "PYTHONPATH": str(guest.PACKAGE)}


class Kept:
    """A keeper, its state, and our end of its lifeline."""

    def __init__(self, root: Path, kernel: str = SERVER) -> None:
        self.state = State(root)
        root.mkdir(parents=True)
        argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", kernel]
        write(self.state.guest, {"argv": argv, "line": guest.LINE, "env": ENV})
        held, self.lifeline = os.pipe()
        argv = [sys.executable, "-m", "topologies.lab.guest.keeper", str(root)]
        self.process = spawn(argv, root / "keeper.log", env=ENV, stdin=held)
        os.close(held)

    def booted(self) -> None:
        until(self.state.booted.exists, "the server", seconds=20)

    def run(self, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            guest.door(self.state, argv), input=given, capture_output=True, check=False, env=ENV, timeout=20
        )

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(guest.door(self.state, argv), stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=ENV)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    it = Kept(tmp_path_factory.mktemp("labs") / ("long" * 30) / "x")
    it.booted()
    yield it
    os.close(it.lifeline)
    it.process.wait(10)


def told(path: Path) -> int:
    until(lambda: path.exists() and bool(path.read_text().strip()), str(path), seconds=10)
    return int(path.read_text())


def test_output_errors_status_and_directory_are_the_commands(kept: Kept) -> None:
    done = kept.run("sh", "-c", "pwd; echo wrong >&2; exit 3")

    assert (done.stdout.decode().strip(), done.stderr, done.returncode) == (str(Path.cwd()), b"wrong\n", 3)


def test_input_goes_through_whole(kept: Kept) -> None:
    given = os.urandom(3_000_000)

    assert kept.run("sha256sum", given=given).stdout.split()[0].decode() == hashlib.sha256(given).hexdigest()


def test_no_more_is_on_its_way_in_than_the_guests_line_can_hold() -> None:
    near, far = socket.socketpair()
    keeper = Keeper(State(Path("/labs/x")), near, cast("subprocess.Popen[bytes]", None), near)

    keeper.send(Frame(Kind.INPUT, 1, bytes(10_000)))
    assert len(far.recv(20_000)) == WINDOW
    far.send(bytes(Frame(Kind.TAKEN, 0, b"100")))
    assert keeper.from_guest()

    assert len(far.recv(20_000)) == 100
    near.close()
    far.close()


def test_much_output_goes_through_whole(kept: Kept) -> None:
    assert len(kept.run("sh", "-c", "head -c 5000000 /dev/zero").stdout) == 5_000_000


def test_a_command_that_does_not_read_keeps_nobody_waiting(kept: Kept) -> None:
    deaf = kept.start("sleep", "60")
    deaf.stdin.write(b"x" * 1_000_000)
    deaf.stdin.flush()

    assert kept.run("echo", "here").stdout == b"here\n"
    deaf.kill()
    deaf.communicate()


def test_a_command_nobody_has_is_told(kept: Kept) -> None:
    done = kept.run("no-such-program")

    assert done.returncode == 127
    assert b"no-such-program: No such file" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command(kept: Kept, tmp_path: Path, number: signal.Signals) -> None:
    child = kept.start(
        "sh", "-c", f"trap 'exit 9' {number.value}; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"
    )
    told(tmp_path / "pid")
    child.send_signal(number)

    assert child.wait(10) == 9


def test_a_killed_clients_command_is_killed(kept: Kept, tmp_path: Path) -> None:
    child = kept.start("sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 60")
    process = Process.of(told(tmp_path / "pid"))
    assert process
    child.kill()
    child.wait()

    until(lambda: not process.alive, "the command to end", seconds=5)


def test_what_a_command_leaves_running_runs_on(kept: Kept, tmp_path: Path) -> None:
    kept.run("sh", "-c", f"setsid sleep 60 & echo $! > {tmp_path}/pid")

    process = Process.of(told(tmp_path / "pid"))
    assert process
    process.kill()


def test_a_terminal_is_one_inside_too(kept: Kept) -> None:
    near, far = pty.openpty()
    child = subprocess.Popen(
        guest.door(kept.state, ["sh", "-c", "tty; stty size"]), stdin=far, stdout=far, stderr=far, env=ENV
    )
    os.close(far)
    printed = b""
    with contextlib.suppress(OSError):  # how a terminal tells that nobody writes there any more
        while piece := os.read(near, 1000):
            printed += piece

    assert printed.startswith(b"/dev/pts/")
    assert child.wait(10) == 0
    os.close(near)


def test_a_door_nobody_keeps_is_told(tmp_path: Path) -> None:
    with pytest.raises(DoorError, match=r"no guest answers at .*nobody\.sock"):
        client.call(tmp_path / "nobody.sock", ["true"], {}, print)


def test_a_broken_lifeline_ends_guest_and_state(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "labs" / "x")
    kept.booted()
    kernel = Process.of(int(kept.run("sh", "-c", "echo $PPID").stdout))
    os.close(kept.lifeline)

    assert kept.process.wait(10) == 0
    assert kernel
    assert not kernel.alive
    assert not list((tmp_path / "labs").iterdir())


def test_one_that_is_to_stay_outlives_its_lifeline(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "labs" / "x")
    kept.booted()
    os.write(kept.lifeline, b"stay")
    os.close(kept.lifeline)
    time.sleep(0.3)

    assert kept.run("echo", "here").stdout == b"here\n"
    kernel = Process.of(int(kept.run("sh", "-c", "echo $PPID").stdout))
    kept.process.kill()
    assert kernel
    until(lambda: not kernel.alive, "the kernel to end with its keeper", seconds=5)


def test_a_kernel_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "labs" / "x", f"print('Kernel panic', flush=True); {SERVER}")
    kept.booted()
    done = kept.run("sh", "-c", "kill -9 $PPID; sleep 5")

    assert done.returncode == 1
    assert b"the guest has ended; its last words:\nKernel panic" in done.stderr
    os.close(kept.lifeline)
    kept.process.wait(10)


def test_a_lab_lets_go_of_its_guest_and_waits_until_it_is_gone(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "labs" / "x")
    kept.booted()

    Lab("x", kept.state.root, kept.lifeline).let_go()

    assert not kept.state.root.exists()
    kept.process.wait(10)


def test_what_a_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")

    env = client.environment(Path("/labs/x/guest.sock"))

    assert "HTTPS_PROXY" not in env
    assert env[client.GUEST] == "x"
    assert env["HAIRPIN_STATE"] == "/labs/x/inside/x"
