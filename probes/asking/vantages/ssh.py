"""A host, probed by SSH. The one door to paramiko.

Host keys are verified against a known_hosts file, always; login is by key file or agent, never by password. One
connection is kept for all rounds, each command has a channel of its own. Opening the connection is tried twice; what
then stays is an UnusableError, for every later command too. Its message distinguishes a bad file, an unknown host, a
changed host key, a closed port, a silent host and a refused login.
"""

from __future__ import annotations

import logging
import math
import shlex
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
import stamina

from probes.asking.vantages.base import Completed, TransportError, UnusableError, at_once, refuse_flood
from probes.asking.vantages.ssh_files import KnownHost, LoginFileError, known_host, private_key
from topologies.common.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs tracebacks of what our messages report

_CHUNK = 64 * 1024
_LOGIN_STEPS = 6  # TCP, banner, key exchange, and three keys that are tried; each may take the whole timeout
_KEEPALIVE = 5  # seconds between keepalives, so that a dead peer is noticed


class SshVantage:
    """One host, probed by SSH. `timeout` in seconds, for each step of the login.

    `known_hosts`: an OpenSSH file (default ~/.ssh/known_hosts); `key`: a private key file, else the agent's keys.
    """

    def __init__(  # noqa: PLR0913 - what it takes to reach a host, by keyword
        self,
        name: str,
        host: str,
        *,
        port: int = 22,
        user: str = "root",
        key: str | Path | None = None,
        known_hosts: str | Path | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._user = user
        self._key = Path(key).expanduser() if key else None
        self._known_hosts = Path(known_hosts or "~/.ssh/known_hosts").expanduser()
        self._timeout = timeout
        self._client: paramiko.SSHClient | None = None
        self._known = KnownHost()
        self._unusable = ""
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"ssh {self._user}@{self._host}:{self._port}"

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        """See `base.Prober.run`; the connection is opened at first use and again after it broke."""
        deadline = Deadline(timeout)
        try:
            with self._session() as channel, _ended_after(deadline.left, channel.close):
                channel.exec_command(shlex.join(command))
                gate()
                _feed(channel, stdin.encode())
                stdout, stderr = self._drain(channel)
                return self._completed(channel, stdout, stderr, deadline)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if deadline.passed:
                raise self._not_ended(deadline) from error
            self.close()
            message = f"{self}: the connection was cut: {error or type(error).__name__}"
            raise TransportError(message) from error

    def close(self) -> None:
        """End the connection; the next `run` opens a new one."""
        with self._lock:
            if self._client:
                self._client.close()
            self._client = None

    def _session(self) -> paramiko.Channel:
        transport = self._transport()
        with _ended_after(self._timeout, transport.close):
            return transport.open_session(timeout=math.inf)

    def _drain(self, channel: paramiko.Channel) -> tuple[bytes, bytes]:
        """Return standard output until its end, then the beginning of stderr (scripts send theirs to stdout)."""
        parts: list[bytes] = []
        size = 0
        while part := channel.recv(_CHUNK):
            parts.append(part)
            size += len(part)
            refuse_flood(self, size)
        return b"".join(parts), channel.makefile_stderr("rb").read(_CHUNK)

    def _completed(self, channel: paramiko.Channel, stdout: bytes, stderr: bytes, deadline: Deadline) -> Completed:
        exit_code = channel.recv_exit_status()
        if exit_code < 0:
            if deadline.passed:
                raise self._not_ended(deadline)
            message = f"{self}: the command ended without an exit status (killed, or the connection was cut)"
            raise TransportError(message)
        return Completed(stdout, stderr, exit_code)

    def _not_ended(self, deadline: Deadline) -> TransportError:
        return TransportError(f"{self}: the command did not end within {deadline.seconds:g} s")

    def _transport(self) -> paramiko.Transport:
        with self._lock:
            transport = self._client.get_transport() if self._client else None
            if transport is None or not transport.is_active():
                self._client = self._connect_twice()
                transport = self._client.get_transport()
            if transport is None:
                message = f"{self}: the connection was cut as soon as it was opened"
                raise TransportError(message)
            transport.set_keepalive(_KEEPALIVE)
            return transport

    def _connect_twice(self) -> paramiko.SSHClient:
        if self._unusable:
            raise UnusableError(self._unusable)
        try:
            for attempt in stamina.retry_context(on=_may_go_away, attempts=2, wait_initial=0.2, wait_jitter=0.1):
                with attempt:
                    return self._connect()
        except Exception as error:
            self._unusable = f"{self}: {self._why(error)}"
            raise UnusableError(self._unusable) from error
        raise AssertionError  # stamina either returns or raises

    def _connect(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        self._known = known_host(self._known_hosts, self._known_name)
        for type_, key in self._known.keys.items():
            client.get_host_keys().add(self._known_name, type_, key)
        try:
            with _ended_after(_LOGIN_STEPS * self._timeout, client.close):
                client.connect(
                    self._host,
                    self._port,
                    self._user,
                    pkey=private_key(self._key) if self._key else None,
                    allow_agent=self._key is None,
                    look_for_keys=self._key is None,
                    timeout=self._timeout,
                    banner_timeout=self._timeout,
                    auth_timeout=self._timeout,
                )
        except BaseException:
            client.close()
            raise
        return client

    @property
    def _known_name(self) -> str:
        """The host's name in known_hosts."""
        return self._host if self._port == paramiko.config.SSH_PORT else f"[{self._host}]:{self._port}"

    def _why(self, error: Exception) -> str:
        if isinstance(error, LoginFileError):
            return str(error)
        if isinstance(error, paramiko.BadHostKeyException):
            return (
                f"host key wrong: got {error.key.get_name()} {error.key.fingerprint}, "
                f"want {error.expected_key.get_name()} {error.expected_key.fingerprint} of {self._known_hosts}. "
                "If the host was made anew, replace its line there; if not, something else answers at its address"
            )
        if _is_unanswered_login(error):
            return f"the login was not answered within {self._timeout:g} s: is the host overloaded?"
        if isinstance(error, paramiko.AuthenticationException):
            return f"login refused for {self._user} with {self._key or 'the keys of the agent'}: {error}"
        if isinstance(error, paramiko.SSHException) and "known_hosts" in str(error):
            return self._why_unknown()
        return self._why_silent(error)

    def _why_unknown(self) -> str:
        lines = ", ".join(map(str, self._known.unread[:5]))
        unread = f" (lines that cannot be read: {lines})" if lines else ""
        scan = f"ssh-keyscan -p {self._port} {self._host}"
        return (
            f"host key unknown: {self._known_name} is not in {self._known_hosts}{unread}. Check it and add it: {scan}"
        )

    def _why_silent(self, error: Exception) -> str:
        if isinstance(error, socket.gaierror):
            return f"host unknown: {self._host} has no address ({error.strerror})"
        if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
            reason = "; ".join(str(value) for value in error.errors.values())
            return f"port {self._port} cannot be connected to ({reason}): is sshd running there?"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} s: is the host up, and is this its address?"
        if isinstance(error, (paramiko.SSHException, OSError, EOFError)):
            return f"the port is open, but no SSH session came of it ({error or type(error).__name__}): is it sshd?"
        return f"the login failed ({type(error).__name__}: {error})"


@contextmanager
def _ended_after(seconds: float, end: Callable[[], object]) -> Iterator[None]:
    """Call `end`, which must end the waits in the block, after `seconds` on the monotonic clock.

    paramiko measures its own time limits on the wall clock, which may be set meanwhile, and waits for the answer to
    `exec_command` and for the exit status without any.
    """
    timer = threading.Timer(seconds, _end_quietly, (end,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_quietly(end: Callable[[], object]) -> None:
    """Call `end`. It closes first and sends its message then, for which the connection may be gone already."""
    with suppress(paramiko.SSHException, OSError, EOFError):
        end()


def _is_unanswered_login(error: Exception) -> bool:
    """Return whether the login timed out. paramiko raises no class of its own for this."""
    return isinstance(error, paramiko.AuthenticationException) and str(error) == "Authentication timeout."


def _may_go_away(error: Exception) -> bool:
    if _is_unanswered_login(error):
        return True
    final = (paramiko.BadHostKeyException, paramiko.AuthenticationException, socket.gaierror, LoginFileError)
    if isinstance(error, final) or "known_hosts" in str(error):
        return False
    return isinstance(error, (paramiko.SSHException, OSError))


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    """Send all of stdin. A command may end before it has read that: what it printed is then still to be read."""
    try:
        channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        return
