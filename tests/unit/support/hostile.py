"""Servers on loopback that answer with any bytes, and the answers that once confused the reader."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
import time
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING

from tests.unit.support.servers import LOOPBACK
from topologies.frontends import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Step = bytes | float | None  # bytes to send, seconds to wait, or None: reset the connection

OK = b"HTTP/1.1 200 OK\r\n"
LABEL = b"@label@"  # replaced by the label that was asked for, when it is sent
ECHO = b"10.0.0.9:4000" + OK + b"Content-Length: 5\r\n\r\nweb-a"
LABELLED = LABEL + OK + b"\r\n" + ECHO
FORGED = (
    b"@@hairpin-end 0\n@@hairpin-bodies\n@@hairpin\thttp://127.0.0.1:1/echo?msg=00.0.1\t0\t200\t1\t1\t\t0\t\t0\t1\t10\t\n"
    b"* connect to 127.0.0.1 port 1 failed: No route to host\n* Failed to connect to 127.0.0.1 port 1 after 0 ms: x\n"
    b"curl: (7) Failed to connect\n"
)
ANSWERS: dict[str, Callable[[], Iterable[Step]]] = {
    "NUL in a header": lambda: [OK + b"X-Odd: a\0b\r\n\r\n" + LABELLED],
    "NUL in the body": lambda: [OK + b"\r\n10.0.0.9:4000\0" + LABELLED],
    "a body of NULs": lambda: [OK + b"\r\n" + bytes(500)],
    "bytes that are no UTF-8 in a header": lambda: [OK + b"X-Odd: \xff\xfe\r\n\r\nno"],
    "bytes that are no UTF-8 in the reason": lambda: [b"HTTP/1.1 200 \xff\xfe\xc3\r\n\r\nno"],
    "bytes that are no UTF-8 in the body": lambda: [OK + b"\r\n\xff\xfe" + LABELLED],
    "unknown transfer encoding": lambda: [OK + b"Transfer-Encoding: odd\r\n\r\nno"],
    "chunks with trailers": lambda: [OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nX-Odd: a\0\r\n\r\n"],
    "broken chunks": lambda: [OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nno"],
    "unknown content encoding": lambda: [OK + b"Content-Encoding: odd, gzip\r\n\r\nno"],
    "gzip that is none": lambda: [OK + b"Transfer-Encoding: gzip\r\n\r\nno"],
    "HTTP/0.9": lambda: [ECHO],
    "HTTP/7.3": lambda: [b"HTTP/7.3 200 OK\r\n\r\n" + LABELLED],
    "status 999": lambda: [b"HTTP/1.1 999 odd\r\n\r\n" + LABELLED],
    "a redirect": lambda: [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"],
    "no content": lambda: [b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"],
    "1xx, then another": lambda: [b"HTTP/1.1 103 Early\r\n\r\n" * 50 + b"HTTP/1.1 404 no\r\n\r\nno"],
    "a negative length": lambda: [OK + b"Content-Length: -5\r\n\r\nno"],
    "a header line of 90 KB": lambda: [OK + b"X-Odd: " + b"a" * 90_000 + b"\r\n\r\nno"],
    "a header line of 200 KB": lambda: [OK + b"X-Odd: " + b"a" * 200_000 + b"\r\n\r\nno"],
    "100 MB of headers": lambda: [OK, *repeat((b"X-Odd: " + b"a" * 990 + b"\r\n") * 100, 1000), b"\r\nno"],
    "lines that end with CR only": lambda: [b"HTTP/1.1 200 OK\r" + FORGED.replace(b"\n", b"\r") + b"\r\n\r\nno"],
    "reports forged in headers": lambda: [OK + FORGED.replace(b"\n", b"\r\n") + b"\r\nno"],
    "reports forged in a folded header": lambda: [OK + b"X: a\r\n " + FORGED.replace(b"\n", b"\r\n ") + b"\r\n\r\nno"],
    "reports forged in the reason": lambda: [b"HTTP/1.1 200 " + FORGED + b"\r\nno"],
    "reports forged in the body": lambda: [OK + b"\r\n" + FORGED],
    "reports forged without a header": lambda: [FORGED],
    "an address that is none": lambda: [OK + b"\r\n" + LABELLED.replace(b"10.0.0.9", b"999.1.1.1")],
    "digits that are not ASCII": lambda: [OK + b"\r\n" + LABELLED.replace(b"9", "\u0669".encode())],
    "a port that is none": lambda: [OK + b"\r\n" + LABELLED.replace(b":4000", b":70000")],
    "an IPv6 client": lambda: [OK + b"\r\n" + LABELLED.replace(b"10.0.0.9", b"[::1]")],
    "an answer in pieces of others' length": lambda: [OK + b"\r\n" + LABELLED * 20],
    "a stream without end": lambda: [OK + b"\r\n", *repeat(b"\0<html>" * 10_000, 4000)],
    "a stream without end of echoes": lambda: [OK + b"\r\n", *repeat(LABELLED * 500, 4000)],
    "a slow drip": lambda: [OK + b"\r\n", *[step for _ in range(50) for step in (b"a", 0.1)]],
    "a slow drip of headers": lambda: [b"HTTP/1.1 200", *[step for _ in range(50) for step in (b"X: a\r\n", 0.1)]],
    "nothing but a reset": lambda: [None],
    "an echo without a label": lambda: [OK + b"\r\n" + ECHO],
    "an echo with another's label": lambda: [OK + b"\r\n" + b"00ff00ff00ff00ff.0.1" + OK + b"\r\n" + ECHO],
    "an echo with its label twice": lambda: [OK + b"\r\n" + LABELLED + LABELLED],
    "half an answer and a reset": lambda: [OK + b"\r\n10.0.0.9", None],
}


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def hostile(answer: Callable[[], Iterable[Step]]) -> Iterator[Target]:
    """Answers every connection with the steps that `answer` returns, then closes it."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            with suppress(OSError):
                label = _asked_label(self.request.recv(4096))
                for step in answer():
                    _take(self.request, step.replace(LABEL, label) if isinstance(step, bytes) else step)

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield Target(LOOPBACK, server.server_address[1])
        server.shutdown()


def _asked_label(request: bytes) -> bytes:
    found = re.search(rb"msg=([0-9a-f.]+)", request)
    return found[1] if found else b""


def _take(peer: socket.socket, step: Step) -> None:
    if isinstance(step, bytes):
        peer.sendall(step)
    elif isinstance(step, float):
        time.sleep(step)
    else:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
