"""The client at a vantage, against real servers on this machine's loopback device."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import TYPE_CHECKING

import pytest

from probes.asking.continuous.clients import AskingPace, asking, events_file
from probes.asking.continuous.events import group_by_cell, read_events
from probes.observation import Outcome
from tests.unit.support.servers import reflecting
from topologies.common.addresses import IPAddress
from topologies.common.waiting import Deadline, unmet, until
from topologies.frontends import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probes.asking.continuous.events import VantageEvents

LOOPBACK = IPAddress("127.0.0.1")
PACE = AskingPace(interval_s=0.1, timeout_s=0.5, hold_s=0.05, hung_s=0.5)


class Echo(BaseHTTPRequestHandler):
    """An echo pod's two answers, on connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host, port = self.client_address[:2]
        body = (f"{host}:{port}" if self.path == "/clientip" else "web-a").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def echo() -> Iterator[int]:
    """The port of an echo server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def asked(folder: Path, port: int, lines: int = 20) -> VantageEvents:
    """What the client has printed, once that are so many lines: a busy machine takes its time."""
    file = events_file(folder, "here")
    with asking({"here": [Target(LOOPBACK, port)]}, lambda _, argv: list(argv), PACE, folder):
        until(unmet(lambda: file.read_text().count("\n") >= lines), Deadline(30), "events of the client")
    return read_events(file, "here", ["cell"])


def test_fresh_connections_and_a_held_one_are_answered(tmp_path: Path) -> None:
    with echo() as port:
        seen = asked(tmp_path, port)

    attempts = group_by_cell(seen.attempts)["cell"]
    assert len(attempts) >= 3
    assert {(one.outcome, one.source, one.backend) for one in attempts} == {(Outcome.OK, "127.0.0.1", "web-a")}
    [held] = seen.connections
    assert held.backend == "web-a"
    assert len(held.answers) >= 3
    assert {one.source for one in held.answers} == {"127.0.0.1"}
    assert (held.how, held.lost_at, held.waits_since) == ("", None, None)
    assert seen.complaints == ()


def test_a_closed_port_is_refused_and_nothing_is_held(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    seen = asked(tmp_path, port)

    assert {one.outcome for one in seen.attempts} == {Outcome.REFUSED}
    assert seen.connections == ()


@pytest.mark.slow
def test_a_server_that_does_not_answer_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        seen = asked(tmp_path, server.getsockname()[1], lines=3)

    assert {one.outcome for one in seen.attempts} == {Outcome.HANG}


def test_a_held_connection_that_the_server_closes_is_lost(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb-a"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def answer_once() -> None:
            for _ in range(100):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        thread = threading.Thread(target=answer_once, daemon=True)
        thread.start()
        seen = asked(tmp_path, server.getsockname()[1])

    assert seen.connections
    assert {one.how for one in seen.connections if one.how} <= {"closed", "reset"}
    assert seen.connections[0].lost_at is not None
    assert {one.outcome for one in seen.attempts} == {Outcome.WRONG_BACKEND}


@pytest.mark.parametrize(("times", "outcome"), [(1, Outcome.RESET), (999, Outcome.WRONG_BACKEND)])
def test_a_request_that_comes_back_is_sent_once_more(times: int, outcome: Outcome, tmp_path: Path) -> None:
    with reflecting(times) as target:
        seen = asked(tmp_path, target.port, lines=8)

    assert {one.outcome for one in seen.attempts} == {outcome}
    assert seen.connections == ()


def test_clients_that_cannot_start_leave_their_reason(tmp_path: Path) -> None:
    with asking({"here": []}, lambda _, __: ["sh", "-c", "echo no such namespace >&2"], PACE, tmp_path):
        sleep(1)

    assert read_events(events_file(tmp_path, "here"), "here", []).complaints == ("no such namespace",)
