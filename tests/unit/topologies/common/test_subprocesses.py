from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from topologies.common.subprocesses import Process, ProcessError, enter_cgroups, run, spawn, start, tail, wait
from topologies.lab.control_plane import pki
from topologies.lab.state import State, hidden, read, write

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_is_known_by_pid_and_start_time(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.find(sleeper.pid)

    assert process is not None
    assert process.alive
    assert not Process(process.pid, process.started + 1).alive


def test_a_reused_pid_is_not_killed(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.find(sleeper.pid)
    assert process is not None

    Process(process.pid, process.started - 1).kill()

    assert process.alive


def test_a_process_that_is_gone_is_none(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()

    assert Process.find(sleeper.pid) is None


def test_the_error_of_a_failed_command_has_its_output() -> None:
    with pytest.raises(ProcessError, match=r"status 2.*no-such-file"):
        run(["ls", "/no-such-file"])


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        run(["no-such-program"])


def test_a_daemon_writes_to_its_log(tmp_path: Path) -> None:
    spawn(["echo", "hello"], tmp_path / "log").wait()

    assert tail(tmp_path / "log") == "hello"


def test_a_command_enters_no_cgroup_if_there_is_none(tmp_path: Path) -> None:
    spawn(enter_cgroups([], ["echo", "hello world"]), tmp_path / "log").wait()

    assert tail(tmp_path / "log") == "hello world"


def test_waiting_for_a_child_that_runs_on_returns_none(sleeper: subprocess.Popen[bytes]) -> None:
    assert wait(sleeper, 0.01) is None
    sleeper.kill()
    assert wait(sleeper, 20) == -signal.SIGKILL


def test_a_started_command_is_in_our_session(tmp_path: Path) -> None:
    report = "import os; print(os.getsid(0))"
    start([sys.executable, "-c", report], tmp_path / "start", env=os.environ).wait()
    spawn([sys.executable, "-c", report], tmp_path / "spawn").wait()

    assert tail(tmp_path / "start") == str(os.getsid(0))
    assert tail(tmp_path / "spawn") != str(os.getsid(0))


def test_a_daemon_that_cannot_enter_its_cgroup_does_not_start(tmp_path: Path) -> None:
    child = spawn(enter_cgroups([tmp_path / "gone"], ["touch", str(tmp_path / "ran")]), tmp_path / "log")

    assert child.wait() == 125
    assert not (tmp_path / "ran").exists()


def test_the_state_knows_its_process_only_while_it_lives(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    state = State(tmp_path)
    process = Process.find(sleeper.pid)
    assert process is not None
    write(state.sandbox, {"pid": process.pid, "started": process.started})

    assert state.process == process
    sleeper.kill()
    sleeper.wait()
    assert state.process is None


def test_the_lock_leaves_no_file_when_the_state_is_gone(tmp_path: Path) -> None:
    state = State(tmp_path / "x")

    with state.lock():
        assert (tmp_path / "x.lock").exists()

    assert not list(tmp_path.iterdir())


def test_what_was_never_written_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing.json") is None


@pytest.mark.parametrize(("path", "place"), [("/var/lib/x", "/var/lib"), ("/opt/x", None)])
def test_places_that_a_node_covers_are_known(path: str, place: str | None) -> None:
    assert hidden(Path(path)) == place


def test_secret_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    pki.write(tmp_path / "pki", api=[], kubelets=[])
    pki.write_ssh(tmp_path / "ssh", {})

    keys = [*(tmp_path / "pki").glob("*.key"), tmp_path / "ssh" / "id_ed25519"]
    assert {oct(key.stat().st_mode & 0o777) for key in keys} == {"0o600"}
    run(["openssl", "verify", "-CAfile", f"{tmp_path}/pki/ca.crt", f"{tmp_path}/pki/kubelet-client.crt"])


def test_the_tail_of_a_log_ends_with_the_fatal_line_and_not_with_goroutines(tmp_path: Path) -> None:
    dump = [f"goroutine {number} [select]:" for number in range(40)]
    lines = ["I1122 08:14:00.1 server.go:1] starts", "F1122 08:14:07.2 server.go:500] no such node", *dump]
    (tmp_path / "log").write_text("\n".join(lines))

    assert tail(tmp_path / "log").splitlines() == lines[:2]
