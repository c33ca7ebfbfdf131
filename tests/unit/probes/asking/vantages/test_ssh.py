"""ssh.py against a real sshd on loopback: temporary keys, a high port, ended by its process id."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING

import paramiko
import pytest

from probes.asking import curl, transfers
from probes.asking.classify import attempt
from probes.asking.vantages.base import OUTPUT_MAX, TransportError, UnusableError
from probes.asking.vantages.ssh import SshVantage
from probes.observation import Outcome
from tests.unit.support.servers import closed, echo, hanging, silent
from topologies.common.subprocesses import children
from topologies.common.waiting import Deadline, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SSHD or not shutil.which("ssh-keygen"), reason="no openssh-server on this machine"),
]
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
"""


@dataclass(frozen=True)
class Daemon:
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def vantage(self, known_hosts: str = "known_hosts", key: str = "user") -> SshVantage:
        files = {"known_hosts": self.folder / known_hosts, "key": self.folder / key}
        return SshVantage("ext", "127.0.0.1", port=self.port, user=getpass.getuser(), timeout=3.0, **files)


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    for name in ("host", "user", "stranger"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with closed() as free:
        port = free.port
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    for name, key in (("known_hosts", "host"), ("known_wrong", "stranger")):
        (folder / name).write_text(f"[127.0.0.1]:{port} {(folder / f'{key}.pub').read_text()}")
    (folder / "known_none").write_text("")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
    try:
        until(lambda: _not_listening(port, process), Deadline(10), "sshd listens")
        yield Daemon(port, folder, process)
    finally:
        process.kill()
        process.wait()


def _not_listening(port: int, process: subprocess.Popen[bytes]) -> str:
    if process.poll() is not None:
        pytest.skip(f"sshd cannot run here: {process.stderr.read().decode() if process.stderr else ''}")
    with socket.socket() as probe:
        return os.strerror(error) if (error := probe.connect_ex(("127.0.0.1", port))) else ""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def test_a_command_reads_its_stdin_and_tells_all_it_said(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    done = vantage.run(["sh", "-c", "cat; echo 'a b' >&2; exit 3"], "x" * 200_000, 10)

    assert (len(done.stdout), done.stderr, done.exit_code) == (200_000, b"a b\n", 3)
    vantage.close()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_a_batch_of_curl_goes_through_one_connection(sshd: Daemon) -> None:
    vantage = sshd.vantage()
    with echo() as target:
        asks = [curl.Ask(target, 5)] * 20
        for _ in range(2):
            batch = curl.compose(asks, 2.0)
            output = vantage.run(batch.command, batch.stdin, 20).stdout
            found = transfers.read(output, asks, batch.mark)
            assert {attempt(transfer).outcome for ones in found for transfer in ones} == {Outcome.OK}
    vantage.close()


@pytest.mark.slow
def test_a_closed_connection_is_opened_again(sshd: Daemon) -> None:
    vantage = sshd.vantage()
    vantage.run(["true"], "", 5)
    vantage.close()

    assert vantage.run(["echo", "again"], "", 5).stdout == b"again\n"
    vantage.close()


@pytest.mark.parametrize(
    ("known_hosts", "key", "why"),
    [
        (
            "known_wrong",
            "user",
            r"host key wrong: got ssh-ed25519 SHA256:\S+, want ssh-ed25519 SHA256:\S+ of .*replace",
        ),
        ("known_none", "user", r"host key unknown: \[127\.0\.0\.1\]:\d+ is not in .*ssh-keyscan -p"),
        ("missing", "user", r"host key unknown"),
        ("known_hosts", "stranger", r"login refused for \S+ with .*stranger"),
        ("known_hosts", "missing", r"missing"),
    ],
)
def test_what_cannot_get_better_is_said_apart(sshd: Daemon, known_hosts: str, key: str, why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        sshd.vantage(known_hosts, key).run(["true"], "", 5)


def test_a_closed_port_and_a_silent_host_are_told_apart() -> None:
    with (
        closed() as target,
        pytest.raises(UnusableError, match=rf"port {target.port} cannot be connected to .*refused"),
    ):
        SshVantage("ext", "127.0.0.1", port=target.port).run(["true"], "", 5)
    with silent() as target, pytest.raises(UnusableError, match=r"no answer within 0\.3 s"):
        SshVantage("ext", "127.0.0.1", port=target.port, timeout=0.3).run(["true"], "", 5)
    with hanging() as target, pytest.raises(UnusableError, match=r"the port is open, but no SSH session"):
        SshVantage("ext", "127.0.0.1", port=target.port, timeout=0.3).run(["true"], "", 5)


def test_a_name_nobody_knows_is_said_so() -> None:
    with pytest.raises(UnusableError, match=r"host unknown: no-such-host\.invalid"):
        SshVantage("ext", "no-such-host.invalid").run(["true"], "", 5)


def test_a_command_that_does_not_end_is_transport_trouble(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    with pytest.raises(TransportError, match=r"did not end within 0\.3 s"):
        vantage.run(["sleep", "5"], "", 0.3)
    vantage.close()


@contextmanager
def frozen(process: int, seconds: float) -> Iterator[None]:
    """Stop what an sshd has started for its connections, for so many seconds at most."""
    sessions = children(process)

    def resume() -> None:
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)

    thaw = Timer(seconds, resume)
    for pid in sessions:
        os.kill(pid, signal.SIGSTOP)
    thaw.start()
    yield
    thaw.join()


def test_a_host_that_freezes_before_the_command_starts_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = paramiko.Channel.exec_command
    with daemon(tmp_path) as running, ExitStack() as stack:
        vantage = running.vantage()
        vantage.run(["true"], "", 5)

        def freeze(channel: paramiko.Channel, command: str) -> None:
            stack.enter_context(frozen(running.process.pid, 5))
            execute(channel, command)

        monkeypatch.setattr(paramiko.Channel, "exec_command", freeze)
        began = monotonic()
        with pytest.raises(TransportError, match=r"did not end within 0\.5 s"):
            vantage.run(["true"], "", 0.5)
        assert monotonic() - began < 3
        vantage.close()


def test_a_host_that_freezes_before_a_session_opens_is_not_waited_for(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        vantage, began = running.vantage(), monotonic()
        vantage.run(["true"], "", 5)
        with frozen(running.process.pid, 5), pytest.raises(TransportError, match="the connection was cut"):
            vantage.run(["true"], "", 10)
        assert vantage.run(["echo", "back"], "", 5).stdout == b"back\n"
        assert monotonic() - began < 10
        vantage.close()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_connection_that_is_gone_when_the_time_is_up_ends_no_thread_with_an_error(
    sshd: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = paramiko.Channel.close

    def close_too_late(channel: paramiko.Channel) -> None:
        close(channel)
        raise EOFError

    monkeypatch.setattr(paramiko.Channel, "close", close_too_late)
    vantage = sshd.vantage()
    with pytest.raises(TransportError, match=r"did not end within 0\.2 s"):
        vantage.run(["sleep", "5"], "", 0.2)
    vantage.close()


@pytest.fixture(params=[-3600, 3600], ids=["back", "forward"])
def jump(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Call it with a number of seconds: so much later the wall clock is set back, or forward, by an hour."""
    real = time.time

    def jumping(after: float) -> None:
        moment = monotonic() + after
        monkeypatch.setattr(time, "time", lambda: real() + (request.param if monotonic() >= moment else 0))

    return jumping


def test_a_clock_that_is_set_changes_no_time_limit(sshd: Daemon, jump: Callable[[float], None]) -> None:
    vantage = sshd.vantage()
    vantage.run(["true"], "", 5)

    jump(0.3)
    assert vantage.run(["sh", "-c", "sleep 1; echo on"], "", 5).stdout == b"on\n"
    jump(0.1)
    with pytest.raises(TransportError, match=r"did not end within 0\.5 s"):
        vantage.run(["sleep", "5"], "", 0.5)
    vantage.close()


def test_a_clock_that_is_set_while_a_session_opens_cuts_nothing(tmp_path: Path, jump: Callable[[float], None]) -> None:
    with daemon(tmp_path) as running:
        vantage = running.vantage()
        vantage.run(["true"], "", 5)

        jump(0.05)
        with frozen(running.process.pid, 0.5):
            assert vantage.run(["echo", "on"], "", 5).stdout == b"on\n"
        vantage.close()


def test_a_clock_that_is_set_while_logging_in_refuses_no_login(
    tmp_path: Path, jump: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in = paramiko.Transport.auth_publickey
    with daemon(tmp_path) as running:

        def slowly(transport: paramiko.Transport, user: str, key: paramiko.PKey) -> list[str]:
            monkeypatch.undo()
            jump(0.05)
            with frozen(running.process.pid, 0.5):
                return log_in(transport, user, key)

        monkeypatch.setattr(paramiko.Transport, "auth_publickey", slowly)
        vantage = running.vantage()

        assert vantage.run(["echo", "on"], "", 5).stdout == b"on\n"
        vantage.close()


def test_a_killed_command_has_no_exit_status(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    with pytest.raises(TransportError, match="without an exit status"):
        vantage.run(["sh", "-c", "kill -9 $$"], "", 5)
    vantage.close()


@pytest.mark.slow
def test_a_server_that_dies_is_transport_trouble(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        vantage = running.vantage()
        session = vantage.run(["sh", "-c", "echo $PPID"], "", 5).stdout.decode().strip()
        with pytest.raises(TransportError, match=r"was cut|without an exit status"):
            vantage.run(["sh", "-c", f"kill -9 {session}; sleep 3"], "", 5)
        assert vantage.run(["echo", "back"], "", 5).stdout == b"back\n"
        vantage.close()


def test_a_command_that_prints_without_end_is_read_to_the_bound_only(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    with pytest.raises(
        UnusableError, match=rf"the output of the command is too long: got more than {OUTPUT_MAX} bytes"
    ):
        vantage.run(["sh", "-c", "yes"], "", 20)
    assert vantage.run(["echo", "on"], "", 5).stdout == b"on\n"
    vantage.close()


def test_errors_without_end_are_cut(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    done = vantage.run(["sh", "-c", "head -c 1000000 /dev/zero >&2; echo out"], "", 20)

    assert (done.stdout, len(done.stderr)) == (b"out\n", 64 * 1024)
    vantage.close()


def test_a_command_that_ends_before_it_has_read_all_still_tells_why(sshd: Daemon) -> None:
    vantage = sshd.vantage()

    done = vantage.run(["sh", "-c", "echo no; exit 3"], "x" * 5_000_000, 20)

    assert (done.stdout, done.exit_code) == (b"no\n", 3)
    vantage.close()


def test_an_odd_byte_in_known_hosts_does_no_harm(sshd: Daemon) -> None:
    good = (sshd.folder / "known_hosts").read_bytes()
    (sshd.folder / "known_odd").write_bytes(b"h\xf6st ssh-rsa AAAA\n" + good)
    vantage = sshd.vantage("known_odd")

    assert vantage.run(["echo", "on"], "", 5).stdout == b"on\n"
    vantage.close()


def test_odd_keys_in_the_home_folder_are_no_traceback(
    sshd: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_ed25519", "id_ecdsa"):
        (tmp_path / ".ssh" / name).write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\n\xff\xfe\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    with pytest.raises(UnusableError, match=r"^ssh \S+: (login refused|the login failed|the port is open)"):
        SshVantage(
            "ext", "127.0.0.1", port=sshd.port, user=getpass.getuser(), known_hosts=sshd.folder / "known_hosts"
        ).run(["true"], "", 5)
