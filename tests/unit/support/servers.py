"""Small servers on loopback that behave as one kind of backend, and a vantage that is this machine."""

from __future__ import annotations

import socket
import socketserver
import struct
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from probes.asking.vantages.base import Completed, at_once
from topologies.frontends import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LOOPBACK = IPv4Address("127.0.0.1")
NOWHERE = Target(IPv4Address("255.255.255.255"), 80)  # Linux: no TCP to a broadcast address, ENETUNREACH at once


class LocalVantage:
    """Commands run here, as they would on a host."""

    name = "here"

    def __init__(self, shell: str = "sh", env: Mapping[str, str] | None = None) -> None:
        self._shell = shell
        self._env = env

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        gate()
        done = subprocess.run(
            [*self._shell.split(), *command[1:]],
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            env=self._env,
        )
        return Completed(done.stdout, done.stderr, done.returncode)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> str:
        address, port = self.client_address[:2]
        _, echo, label = self.path.partition("/echo?msg=")
        return label if echo else f"{address}:{port}" if self.path.startswith("/clientip") else "web-a"

    def log_message(self, *_: object) -> None:
        pass


class _Other(_Echo):
    says = b""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.says)


class _Server(ThreadingHTTPServer):
    request_queue_size = 512

    def handle_error(self, *_: object) -> None:
        pass  # a client that ends early is no news


@contextmanager
def echo(handler: type[BaseHTTPRequestHandler] = _Echo) -> Iterator[Target]:
    """Speaks as agnhost netexec does."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield Target(LOOPBACK, server.server_port)
        server.shutdown()


@contextmanager
def other(says: bytes = b"nginx says no") -> Iterator[Target]:
    """A web server that is no echo."""
    with echo(type("Other", (_Other,), {"says": says})) as target:
        yield target


@contextmanager
def closed() -> Iterator[Target]:
    """A port nobody listens at: bound, so that nobody else takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Target(LOOPBACK, held.getsockname()[1])


@contextmanager
def silent() -> Iterator[Target]:
    """A full backlog: further SYNs are dropped, as by an iptables DROP."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(held.getsockname())
        yield Target(LOOPBACK, held.getsockname()[1])
        for filler in fillers:
            filler.close()


@contextmanager
def hanging() -> Iterator[Target]:
    """Connects, then says nothing."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        yield Target(LOOPBACK, held.getsockname()[1])


@contextmanager
def resetting() -> Iterator[Target]:
    """Accepts, reads, and resets."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        threading.Thread(target=_reset_all, args=(held,), daemon=True).start()
        yield Target(LOOPBACK, held.getsockname()[1])
        held.shutdown(socket.SHUT_RDWR)


def _reset_all(held: socket.socket) -> None:
    while True:
        try:
            peer, _ = held.accept()
        except OSError:
            return
        peer.recv(4096)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()


@contextmanager
def reflecting(times: int) -> Iterator[Target]:
    """Send back what comes on the first so many connections, and wait for their clients to end them; answer no other.

    A connection that came back to its own client looks like this.
    """
    count = iter(range(1, 1 + times))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = self.request.recv(4096)
            if next(count, 0):
                self.request.sendall(received)
                self.request.recv(4096)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield Target(LOOPBACK, server.server_address[1])
        server.shutdown()
