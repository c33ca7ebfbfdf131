"""Runs a command in a guest as if it ran here: our input, its output, its exit status, our signals, our terminal.

    python -m topologies.lab.guest.client DOOR -- COMMAND ...

Standard library only.

Errors: DoorError (no guest answers there).
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
import termios
import tty
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from topologies.lab.guest.wire import Frame, Kind, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

GUEST = "HAIRPIN_GUEST"
PIECE = 1 << 16
PASSED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
INSIDE = "inside"  # below the state directory, in the guest's memory: where the lab in the guest has its own


class DoorError(Exception):
    """No guest answers at this door; says where it was looked for."""


class End(NamedTuple):
    """How a command ended: its exit status, and a message if it could not be run."""

    status: int
    message: str = ""


@dataclass(slots=True)
class Session:
    """One command in the guest. `sinks`: where its output and its errors go."""

    peer: socket.socket
    sinks: Mapping[Kind, Callable[[bytes], object]]
    reader: Reader = field(default_factory=Reader)

    @classmethod
    def open(cls, door: Path, sinks: Mapping[Kind, Callable[[bytes], object]]) -> Session:
        """Connect; DoorError if there is nobody."""
        peer = socket.socket(socket.AF_UNIX)
        try:
            with short(door) as name:
                peer.connect(name)
        except OSError as error:
            message = f"no guest answers at {door}: {error.strerror}"
            raise DoorError(message) from error
        return cls(peer, sinks)

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """One frame to the guest."""
        self.peer.sendall(bytes(Frame(kind, 0, payload)))

    def run(self, argv: Sequence[str], env: Mapping[str, str], *, size: tuple[int, int] | None = None) -> None:
        """Start the command, in our working directory; with a terminal of that size (rows, columns) if given."""
        order = {"argv": list(argv), "cwd": str(Path.cwd()), "env": dict(env), "size": size}
        self.send(Kind.RUN, json.dumps(order).encode())

    def receive(self) -> End | None:
        """What has come, to the sinks; the end if that has come too."""
        piece = self.peer.recv(PIECE)
        if not piece:
            return End(1, "the guest has gone")
        for frame in self.reader.feed(piece):
            if frame.kind is Kind.EXIT:
                return End(**json.loads(frame.payload))
            if sink := self.sinks.get(frame.kind):
                sink(frame.payload)
        return None


def environment(door: Path) -> dict[str, str]:
    """What a command in that guest is told: our environment, but for proxies and for what is the guest's own."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    state = door.parent
    return {**kept, GUEST: state.name, "HAIRPIN_STATE": str(state / INSIDE / state.name), "TMPDIR": "/run/tmp"}


def call(door: Path, argv: Sequence[str], env: Mapping[str, str], say: Callable[[bytes], object]) -> End:
    """Run to the end with no input, whatever it prints to `say`; DoorError."""
    session = Session.open(door, {Kind.OUTPUT: say, Kind.ERRORS: say})
    with session.peer:
        session.run(argv, env)
        session.send(Kind.INPUT_END)
        while (end := session.receive()) is None:
            pass
    return end


def attach(door: Path, argv: Sequence[str], env: Mapping[str, str]) -> End:
    """Run with our own input, output, signals, and our terminal if we have one; DoorError."""
    session = Session.open(door, {Kind.OUTPUT: _to(1), Kind.ERRORS: _to(2)})
    terminal = os.isatty(0) and os.isatty(1)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    for number in (*PASSED, signal.SIGWINCH):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(waker)
    with session.peer, _raw(terminal), selectors.DefaultSelector() as selector:
        session.run(argv, env, size=_size() if terminal else None)
        for source in (session.peer.fileno(), woken, 0):
            with suppress(OSError, ValueError):  # a file or /dev/null cannot be waited for
                selector.register(source, selectors.EVENT_READ)
        if 0 not in selector.get_map():
            _give_all(session)
        end = None
        while end is None:
            for key, _ in selector.select():
                if key.fd == session.peer.fileno():
                    end = session.receive() or end
                elif key.fd == woken:
                    _pass_on(session, os.read(woken, PIECE))
                elif not _give(session):
                    selector.unregister(0)
    return end


def _give(session: Session) -> bool:
    """A piece of our input to the command; False at its end."""
    try:
        piece = os.read(0, PIECE)
    except OSError:
        piece = b""
    session.send(Kind.INPUT if piece else Kind.INPUT_END, piece)
    return bool(piece)


def _give_all(session: Session) -> None:
    while _give(session):
        pass


def _pass_on(session: Session, signals: bytes) -> None:
    for number in signals:
        if number == signal.SIGWINCH:
            session.send(Kind.SIZE, json.dumps(_size()).encode())
        else:
            session.send(Kind.SIGNAL, str(number).encode())


def _to(descriptor: int) -> Callable[[bytes], object]:
    def write(piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return write


def _size() -> tuple[int, int]:
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


@contextmanager
def _raw(terminal: bool) -> Iterator[None]:
    """Our terminal hands every key on: the guest's own makes signals of them."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name for a socket that fits into the 107 bytes of an address, however long the path is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def main(door: str, _: str, *argv: str) -> int:
    """The command's exit status, as a shell would have it."""
    try:
        end = attach(Path(door), argv, environment(Path(door)))
    except DoorError as error:
        end = End(1, str(error))
    except BrokenPipeError:
        end = End(-signal.SIGPIPE)
    if end.message:
        sys.stderr.write(f"{end.message}\n")
    return end.status if end.status >= 0 else 128 - end.status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
