"""Connect to targets again and again from one network namespace, and hold connections to them, until stdin ends.

    python -I client.py PLAN      PLAN: JSON with `interval_s`, `timeout_s`, `hold_s`, `hung_s`, `targets`

Standard library only, and nothing of ours: it is started by its path in the namespaces of a vantage. It prints one JSON
array a line; the first two elements are the kind of the line and the number of the target:

    ["clock", monotonic, realtime]                                  both clocks of its kernel, first
    ["attempt", target, began, ended, outcome, source, backend]     one fresh connection
    ["unsent",  target, at, reason]                                  the vantage itself could not make one
    ["held",    target, number, at, backend]                         a connection that is held is open
    ["unheld",  target, number, at, outcome]                         it could not be opened
    ["answer",  target, number, sent, answered, source]              one question on it
    ["lost",    target, number, sent, at, how]                       reset, closed, or hung: no answer in `hung_s`
    ["waiting", target, number, sent, at]                            at the end a question has no answer yet
    ["end", at]

Times are CLOCK_MONOTONIC in seconds, the same for all namespaces of a kernel. The server is agnhost's netexec.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, time

FRESH = b"GET /clientip HTTP/1.1\r\nHost: e\r\n\r\nGET /hostname HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"
NAME = b"GET /hostname HTTP/1.1\r\nHost: e\r\n\r\n"
SOURCE = b"GET /clientip HTTP/1.1\r\nHost: e\r\n\r\n"
ECHO = re.compile(
    rb"HTTP/1\.1 200 .*?\r\n\r\n(\S{3,60}):[0-9]{1,5}HTTP/1\.1 200 .*?\r\n\r\n([A-Za-z0-9.-]{1,253})\s*\Z", re.DOTALL
)
ANSWER = re.compile(rb"HTTP/1\.1 200 .*?content-length: ([0-9]{1,3})\r\n(?:.*?\r\n)?\r\n", re.DOTALL | re.IGNORECASE)
MAPPED = "[::ffff:"  # how an IPv6 socket shows an IPv4 client (RFC 4291, 2.5.5.2)
ANSWER_MAX = 4096  # bytes; no echo is longer
ANSWER_S = 2.0  # from connected to answered, of a fresh connection: after that it hangs
REOPEN_S = 0.5
UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM}


class NoEchoError(Exception):
    """The server answered, but it is no echo pod."""


class ReturnedError(Exception):
    """The connection came back to its own client (see `probes/asking/transfers.py`): it shows nothing of the server."""

    def __str__(self) -> str:
        return "its own request came back: a NAT on the way gave it the port it goes to as its source port"


class HungError(Exception):
    """The connection is open and nothing came on it in time."""


@dataclass(frozen=True)
class Client:
    """One vantage's targets, and how to ask them. Times in seconds."""

    interval_s: float
    timeout_s: float
    hold_s: float
    hung_s: float
    targets: tuple[tuple[str, int], ...]
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Ask and hold until standard input ends, then wait for what is under way."""
        emit("clock", monotonic(), time())
        asyncio.get_running_loop().add_reader(0, self._read_stdin)
        numbers = range(len(self.targets))
        await asyncio.gather(*map(self._ask, numbers), *map(self._hold, numbers))
        emit("end", monotonic())

    def _read_stdin(self) -> None:
        if not os.read(0, 64):
            asyncio.get_running_loop().remove_reader(0)
            self.stop.set()

    async def _ask(self, number: int) -> None:
        """Begin a fresh connection every `interval_s`; slots that are missed are left out."""
        under_way: set[asyncio.Task[None]] = set()
        due = monotonic() + self.interval_s * number / len(self.targets)
        while not await self._stopped_at(due):
            task = asyncio.create_task(self._attempt(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due += self.interval_s * max(1, int((monotonic() - due) / self.interval_s + 1))
        await asyncio.gather(*under_way)

    async def _stopped_at(self, due: float) -> bool:
        await asyncio.sleep(max(0.0, due - monotonic()))
        return self.stop.is_set()

    async def _attempt(self, number: int) -> None:
        began, source, backend = monotonic(), "", ""
        try:
            source, backend = await self._exchange_again(self.targets[number])
            outcome = "ok"
        except (OSError, HungError, NoEchoError) as error:
            outcome = classify(error)
            if not outcome:
                emit("unsent", number, began, str(error))
                return
        emit("attempt", number, began, monotonic(), outcome, source, backend)

    async def _exchange_again(self, target: tuple[str, int]) -> tuple[str, str]:
        """Exchange, and once more if the request itself came back: if it does so again, a server sends it."""
        try:
            return await self._exchange(target)
        except ReturnedError:
            try:
                return await self._exchange(target)
            except ReturnedError as error:
                raise NoEchoError from error

    async def _exchange(self, target: tuple[str, int]) -> tuple[str, str]:
        """Return the client address that the backend saw and the backend's name."""
        loop = asyncio.get_running_loop()
        with await self._connect(target) as connection:
            await loop.sock_sendall(connection, FRESH)
            try:
                text = await asyncio.wait_for(read_to_end(connection), ANSWER_S)
            except TimeoutError as error:
                raise HungError from error
        if not (echo := ECHO.match(text)):
            raise NoEchoError if text else ConnectionResetError
        return unmapped(echo[1]), echo[2].decode()

    async def _connect(self, target: tuple[str, int]) -> socket.socket:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connection, target), self.timeout_s)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _hold(self, number: int) -> None:
        """Keep one connection to the target open; open another after it was lost."""
        count = 0
        await asyncio.sleep(self.hold_s * number / len(self.targets))
        while not self.stop.is_set():
            count += 1
            began = monotonic()
            try:
                with await self._connect(self.targets[number]) as connection:
                    await self._use(connection, number, count)
            except (OSError, HungError, NoEchoError, ReturnedError) as error:
                emit("unheld", number, count, began, classify(error) or str(error))
            await self._stopped_at(monotonic() + REOPEN_S)

    async def _use(self, connection: socket.socket, number: int, count: int) -> None:
        """Ask on an open connection until it is lost or standard input ends."""
        backend = await asyncio.wait_for(question(connection, NAME), ANSWER_S)
        emit("held", number, count, monotonic(), backend)
        while not self.stop.is_set():
            sent = monotonic()
            answer = asyncio.create_task(question(connection, SOURCE))
            if not await self._wait_for(answer, sent):
                answer.cancel()
                lost = () if self.stop.is_set() else ("hung",)
                emit("lost" if lost else "waiting", number, count, sent, monotonic(), *lost)
                return
            try:
                source = answer.result().rpartition(":")[0]
            except (OSError, NoEchoError, ReturnedError) as error:
                emit("lost", number, count, sent, monotonic(), classify(error) or str(error))
                return
            emit("answer", number, count, sent, monotonic(), unmapped(source.encode()))
            await asyncio.sleep(max(0.0, sent + self.hold_s - monotonic()))

    async def _wait_for(self, answer: asyncio.Task[str], sent: float) -> bool:
        """Return whether the answer came before `hung_s`, and not long after standard input ended."""
        while not answer.done():
            over = self.timeout_s if self.stop.is_set() else self.hung_s
            if monotonic() - sent > over:
                return False
            await asyncio.wait({answer}, timeout=0.5)
        return True


async def read_to_end(connection: socket.socket) -> bytes:
    """Return what comes on a connection until its end, at most ANSWER_MAX bytes.

    Raises:
        ReturnedError: It is the request itself.

    """
    loop, text = asyncio.get_running_loop(), b""
    while (part := await loop.sock_recv(connection, ANSWER_MAX)) and len(text) < ANSWER_MAX:
        text += part
        if text == FRESH:
            raise ReturnedError
    return text


async def question(connection: socket.socket, request: bytes) -> str:
    """Return the body of one answer on a connection that stays open.

    Raises:
        BrokenPipeError: The server has closed the connection.
        NoEchoError: The answer is no echo pod's.
        ReturnedError: The answer is the request itself.

    """
    loop, text = asyncio.get_running_loop(), b""
    await loop.sock_sendall(connection, request)
    while len(text) < ANSWER_MAX:
        part = await loop.sock_recv(connection, ANSWER_MAX)
        if not part:
            raise BrokenPipeError
        text += part
        if text == request:
            raise ReturnedError
        head = ANSWER.match(text)
        if head and len(text) >= head.end() + int(head[1]):
            return text[head.end() :].decode(errors="replace").strip()
    raise NoEchoError


def classify(error: Exception) -> str:
    """Return the outcome that an exception means; empty if it shows nothing of the network."""
    kinds = {
        ConnectionRefusedError: "refused",
        BrokenPipeError: "closed",
        ConnectionResetError: "reset",
        TimeoutError: "timeout",
        HungError: "hang",
        NoEchoError: "wrong-backend",
    }
    found = next((outcome for kind, outcome in kinds.items() if isinstance(error, kind)), "")
    return found or ("unreachable" if isinstance(error, OSError) and error.errno in UNREACHABLE else "")


def unmapped(address: bytes) -> str:
    """Return an address as text, an IPv4 one without its IPv6 notation."""
    text = address.decode(errors="replace")
    return text.removeprefix(MAPPED).removesuffix("]")


def emit(*line: object) -> None:
    """Print one line, whole and at once."""
    sys.stdout.write(json.dumps([round(one, 4) if isinstance(one, float) else one for one in line]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    plan = json.loads(sys.argv[1])
    with suppress(KeyboardInterrupt):
        asyncio.run(Client(**{**plan, "targets": tuple((host, port) for host, port in plan["targets"])}).run())
