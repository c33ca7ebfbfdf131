"""The guest's end of the line: starts the commands it is told, carries their input and output, tells their end.

Standard library only; runs as the guest's first process, so it also reaps whatever nobody else does.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import selectors
import signal
import struct
import subprocess
import termios
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from topologies.lab.guest.wire import Frame, Kind, Reader

PIECE = 1 << 16
NOT_FOUND = 127
RETRY = 0.02  # seconds until input is offered again to a command that does not read


@dataclass(slots=True)
class Session:
    """A running command: where its input goes, where its output comes from. `terminal`: one pty is all three.

    `pending`: input it has not read yet; `ended`: no more will come.
    """

    number: int
    child: subprocess.Popen[bytes]
    given: int | None
    outputs: dict[int, Kind]
    terminal: bool
    pending: bytearray = field(default_factory=bytearray)
    ended: bool = False


@dataclass(slots=True)
class Server:
    """Serves one line for as long as there is somebody at its other end."""

    line: int
    sessions: dict[int, Session] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def serve(self) -> None:
        """Until the line ends."""
        woken, waker = os.pipe()
        for end in (woken, waker):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self.selector.register(self.line, selectors.EVENT_READ)
        self.selector.register(woken, selectors.EVENT_READ)
        reader = Reader()
        self.tell(Frame(Kind.READY, 0))
        while True:
            for key, _ in self.selector.select(RETRY if any(one.pending for one in self.sessions.values()) else None):
                if key.fd == self.line:
                    if not (piece := os.read(self.line, PIECE)):
                        return
                    self.tell(Frame(Kind.TAKEN, 0, str(len(piece)).encode()))
                    for frame in reader.feed(piece):
                        self.obey(frame)
                elif key.fd == woken:
                    os.read(woken, PIECE)
                else:
                    self.carry(key.data, key.fd)
            self.reap()
            for session in self.sessions.values():
                self.push(session)

    def obey(self, frame: Frame) -> None:
        """One frame from outside."""
        if frame.kind is Kind.RUN:
            self.run(frame.session, json.loads(frame.payload))
        elif session := self.sessions.get(frame.session):
            with suppress(ProcessLookupError):  # it ended meanwhile
                _DEEDS[frame.kind](self, session, frame.payload)

    @staticmethod
    def push(session: Session) -> None:
        """As much of the input as the command takes now; one that takes none must not keep the others waiting."""
        try:
            while session.pending and session.given is not None:
                del session.pending[: os.write(session.given, session.pending)]
        except BlockingIOError:
            return
        except OSError:  # it has closed its input, or ended
            session.pending.clear()
        if session.ended and session.given is not None and not session.terminal:
            os.close(session.given)
            session.given = None

    def run(self, number: int, order: dict[str, Any]) -> None:
        """Start a command: `argv`, `cwd`, `env`, and `size` (rows, columns) if it shall have a terminal."""
        size = order["size"]
        near, far = pty.openpty() if size else (-1, -1)
        how: dict[str, Any] = (
            {"stdin": far, "stdout": far, "stderr": far, "preexec_fn": lambda: os.login_tty(far)}
            if size
            else {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        )
        try:
            if size:
                _resize(near, size)
            child = subprocess.Popen(  # noqa: S603 - root's own order
                order["argv"], cwd=order["cwd"], env=order["env"], start_new_session=not size, **how
            )
        except OSError as error:
            self.end(number, NOT_FOUND, f"{error.filename or ''}: {error.strerror}")
            for descriptor in (near, far) if size else ():
                os.close(descriptor)
            return
        if size:
            os.close(far)
            session = Session(number, child, near, {near: Kind.OUTPUT}, terminal=True)
        else:
            outputs = {_detach(child.stdout): Kind.OUTPUT, _detach(child.stderr): Kind.ERRORS}
            session = Session(number, child, _detach(child.stdin), outputs, terminal=False)
        self.sessions[number] = session
        os.set_blocking(session.given or 0, False)
        for descriptor in session.outputs:
            self.selector.register(descriptor, selectors.EVENT_READ, session)

    def carry(self, session: Session, descriptor: int) -> bool:
        """One piece of output to the line; whether there was any."""
        try:
            piece = os.read(descriptor, PIECE)
        except OSError:  # a terminal whose last process has gone
            piece = b""
        if piece:
            self.tell(Frame(session.outputs[descriptor], session.number, piece))
            return True
        self.selector.unregister(descriptor)
        del session.outputs[descriptor]
        if descriptor != session.given:
            os.close(descriptor)
        return False

    def reap(self) -> None:
        """Every process that has ended; those of a session end it, once what they wrote is told."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for session in [one for one in self.sessions.values() if one.child.pid == pid]:
                session.child.returncode = os.waitstatus_to_exitcode(status)
                self.close(session)
                self.end(session.number, session.child.returncode)

    def close(self, session: Session) -> None:
        """Tell what is left of the output and forget the session; what it left running runs on."""
        for descriptor in list(session.outputs):
            while select.select([descriptor], [], [], 0)[0] and self.carry(session, descriptor):
                pass
        for descriptor in list(session.outputs):
            self.selector.unregister(descriptor)
            if descriptor != session.given:
                os.close(descriptor)
        if session.given is not None:
            os.close(session.given)
        del self.sessions[session.number]

    def end(self, number: int, status: int, message: str = "") -> None:
        """Tell that a session has ended."""
        self.tell(Frame(Kind.EXIT, number, json.dumps({"status": status, "message": message}).encode()))

    def tell(self, frame: Frame) -> None:
        """Write a frame whole."""
        rest = memoryview(bytes(frame))
        while rest:
            rest = rest[os.write(self.line, rest) :]


def _feed(_: Server, session: Session, payload: bytes) -> None:
    session.pending += payload


def _end_input(_: Server, session: Session, __: bytes) -> None:
    session.ended = True


def _signal(_: Server, session: Session, payload: bytes) -> None:
    os.killpg(session.child.pid, int(payload))


def _size(_: Server, session: Session, payload: bytes) -> None:
    if session.terminal and session.given is not None:
        _resize(session.given, json.loads(payload))


def _hang_up(server: Server, session: Session, _: bytes) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session.child.pid, signal.SIGKILL)
    server.close(session)


_DEEDS = {
    Kind.INPUT: _feed,
    Kind.INPUT_END: _end_input,
    Kind.SIGNAL: _signal,
    Kind.SIZE: _size,
    Kind.HANGUP: _hang_up,
}


def _resize(terminal: int, size: list[int]) -> None:
    rows, columns = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _detach(pipe: Any) -> int:  # noqa: ANN401 - a pipe that Popen may not have made
    """The descriptor of a pipe alone: a Popen's file object would buffer, and close it behind our back."""
    descriptor = os.dup(pipe.fileno())
    pipe.close()
    return descriptor
