"""Holds a guest: starts its kernel, passes frames between clients (a socket) and its one line, ends with it.

    python -m topologies.lab.guest.keeper STATE      standard input: the lifeline

The **lifeline** is a pipe whose other end the one who wants the guest holds: when that process ends, however it ends,
the guest ends too and its state directory goes, unless `stay` was written there before. The kernel process is told to
die with the keeper (PR_SET_PDEATHSIG), and its memory is a file that never had a name.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from topologies.lab.guest.client import short
from topologies.lab.guest.wire import WINDOW, Frame, Kind, Reader
from topologies.lab.processes import tail
from topologies.lab.state import State, read

PIECE = 1 << 16
STAY = b"stay"
LIFELINE = 0


@dataclass(slots=True)
class Client:
    """A connection, and the number of its session in the guest."""

    peer: socket.socket
    session: int
    reader: Reader = field(default_factory=Reader)
    waiting: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Keeper:
    """One guest and its clients."""

    state: State
    line: socket.socket
    kernel: subprocess.Popen[bytes]
    door: socket.socket
    clients: dict[int, Client] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    reader: Reader = field(default_factory=Reader)
    to_guest: bytearray = field(default_factory=bytearray)
    window: int = WINDOW
    number: int = 0

    @classmethod
    def start(cls, state: State) -> Keeper:
        """The guest as `guest.json` describes it: its line is the kernel's descriptor 3."""
        near, far = socket.socketpair()
        plan = read(state.guest)
        os.dup2(far.fileno(), plan["line"], inheritable=True)
        with state.console.open("ab") as console:
            kernel = subprocess.Popen(  # noqa: S603 - written by guest.py
                plan["argv"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=plan["env"],
                pass_fds=(plan["line"],),
            )
        far.close()
        os.close(plan["line"])
        near.setblocking(False)
        return cls(state, near, kernel, listen(state.door))

    def keep(self) -> bool:
        """Until the kernel ends (True) or the lifeline breaks (False)."""
        for source in (self.line, self.door):
            self.selector.register(source, selectors.EVENT_READ)
        self.selector.register(LIFELINE, selectors.EVENT_READ)
        while True:
            for key, events in self.selector.select():
                if key.fileobj is self.line:
                    if not self.from_guest():
                        return True
                elif key.fileobj is self.door:
                    self.admit()
                elif key.fd == LIFELINE:
                    if os.read(LIFELINE, len(STAY)) != STAY:
                        return False
                    self.selector.unregister(LIFELINE)
                elif key.data.session in self.clients:
                    self.from_client(key.data, events)

    def admit(self) -> None:
        """A new client."""
        peer, _ = self.door.accept()
        peer.setblocking(False)
        self.number = self.number % 0xFFFF + 1
        client = Client(peer, self.number)
        self.clients[client.session] = client
        self.selector.register(peer, selectors.EVENT_READ, client)

    def from_client(self, client: Client, events: int) -> None:
        """What a client says, to the guest under its session's number; a client that went is a HANGUP."""
        if events & selectors.EVENT_WRITE:
            self.to_client(client)
        if events & selectors.EVENT_READ:
            try:
                piece = client.peer.recv(PIECE)
            except ConnectionError:
                piece = b""
            for frame in client.reader.feed(piece):
                self.send(frame._replace(session=client.session))
            if not piece:
                self.drop(client)
                self.send(Frame(Kind.HANGUP, client.session))

    def from_guest(self) -> bool:
        """What the guest says, to whom it concerns; False if it has ended."""
        try:
            piece = self.line.recv(PIECE)
        except ConnectionError:
            piece = b""
        for frame in self.reader.feed(piece):
            if frame.kind is Kind.READY:
                self.state.booted.touch()
            elif frame.kind is Kind.TAKEN:
                self.window += int(frame.payload)
                self.send()
            elif client := self.clients.get(frame.session):
                client.waiting += bytes(frame._replace(session=0))
                self.to_client(client)
        return bool(piece)

    def send(self, frame: Frame | None = None) -> None:
        """To the guest: this frame, after whatever still waits, as far as the window is open."""
        self.to_guest += bytes(frame) if frame else b""
        while self.to_guest and self.window:
            try:
                sent = self.line.send(self.to_guest[: self.window])
            except ConnectionError:  # read as its end when its turn comes
                return
            del self.to_guest[:sent]
            self.window -= sent

    def to_client(self, client: Client) -> None:
        """To a client, whatever waits."""
        try:
            while client.waiting:
                del client.waiting[: client.peer.send(client.waiting)]
        except BlockingIOError:
            pass
        except ConnectionError:  # read as its end when its turn comes
            client.waiting.clear()
        more = selectors.EVENT_WRITE if client.waiting else 0
        self.selector.modify(client.peer, selectors.EVENT_READ | more, client)

    def drop(self, client: Client) -> None:
        """Forget a client."""
        self.selector.unregister(client.peer)
        client.peer.close()
        del self.clients[client.session]

    def end(self) -> None:
        """Kill the guest and tell the clients."""
        self.kernel.kill()
        self.kernel.wait()
        told = {"status": 1, "message": f"the guest has ended; its last words:\n{tail(self.state.console)}"}
        for client in self.clients.values():
            client.peer.setblocking(True)
            client.peer.settimeout(1)
            try:
                client.peer.sendall(client.waiting + bytes(Frame(Kind.EXIT, 0, json.dumps(told).encode())))
            except OSError:
                continue


def listen(path: Path) -> socket.socket:
    """A socket only we may connect to, however long its path is."""
    door = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    with short(path) as name:
        door.bind(name)
    os.umask(before)
    door.listen(16)
    door.setblocking(False)
    return door


def main(root: str) -> None:
    """Keep the guest; if nobody wants it any more, nothing of it is left when this ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    state = State(Path(root))
    keeper = Keeper.start(state)
    wanted = True
    try:
        wanted = keeper.keep()
    finally:
        if not wanted:
            state.ready.unlink(missing_ok=True)  # nobody may find it any more
        keeper.end()
    if not wanted:
        with state.lock():
            shutil.rmtree(state.root, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
