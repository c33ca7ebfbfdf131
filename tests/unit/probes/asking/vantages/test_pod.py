"""pod.py against a websocket that is scripted, frame by frame."""

from __future__ import annotations

import json
import time
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client.exceptions import ApiException
from websocket import ABNF, WebSocketConnectionClosedException, WebSocketTimeoutException

from probes.asking.vantages import pod
from probes.asking.vantages.base import OUTPUT_MAX, TransportError, UnusableError
from probes.asking.vantages.pod import PodVantage

if TYPE_CHECKING:
    from collections.abc import Iterable

SUCCESS = json.dumps({"status": "Success"}).encode()
FAILED = json.dumps(
    {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "42"}]}, "message": "exit code 42"}
).encode()
NO_SHELL = json.dumps({"status": "Failure", "reason": "InternalError", "message": 'exec: "sh": not found'}).encode()


CLOSE = (ABNF.OPCODE_CLOSE, ABNF())


def frame(channel: int, data: bytes) -> tuple[int, ABNF]:
    return ABNF.OPCODE_BINARY, ABNF(data=bytes([channel]) + data)


class Socket:
    """WSClient and the websocket in it, as far as they are used."""

    def __init__(self, status: bytes = SUCCESS, *, frames: Iterable[Any] = (), error: Exception | None = None) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.closed = False
        self.sock = self
        self._error = error
        whole = [frame(1, b"ou"), (ABNF.OPCODE_PING, ABNF()), frame(2, b"err"), frame(1, b"t"), frame(3, status), CLOSE]
        self._frames = iter(frames or whole)

    def write_channel(self, channel: int, data: bytes) -> None:
        if self._error:
            raise self._error
        self.sent.append((channel, data))

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0

    def recv_data_frame(self, control_frame: bool) -> tuple[int, ABNF]:
        assert control_frame
        found = next(self._frames)
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.closed = True


class Api:
    def connect_get_namespaced_pod_exec(self) -> None:
        raise AssertionError


def vantage(monkeypatch: pytest.MonkeyPatch, socket: Socket | Exception) -> PodVantage:
    def stream(_: object, name: str, namespace: str, **options: Any) -> Socket:
        assert (name, namespace, options["container"]) == ("pod-n1", "hairpin", "agnhost")
        if isinstance(socket, Exception):
            raise socket
        return socket

    monkeypatch.setattr(pod, "stream", stream)
    return PodVantage(Api, "hairpin", "pod-n1", "agnhost")


def test_stdin_goes_out_in_pieces_and_all_channels_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    socket = Socket()

    done = vantage(monkeypatch, socket).run(["cat"], "x" * 100_000, 5)

    assert b"".join(data for _, data in socket.sent) == b"x" * 100_000
    assert {channel for channel, _ in socket.sent} == {0}
    assert max(len(data) for _, data in socket.sent) <= 32 * 1024
    assert (done.stdout, done.stderr, done.exit_code) == (b"out", b"err", 0)
    assert socket.closed


def test_an_exit_code_is_no_transport_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vantage(monkeypatch, Socket(FAILED)).run(["false"], "", 5).exit_code == 42


@pytest.mark.parametrize(
    ("socket", "error", "why"),
    [
        (Socket(b""), TransportError, "pod hairpin/pod-n1 ended without an exit status"),
        (Socket(NO_SHELL), TransportError, 'did not run: exec: "sh": not found'),
        (Socket(b"[]"), TransportError, "ended without an exit status"),
        (Socket(b"null"), TransportError, "ended without an exit status"),
        (Socket(b"<html>"), TransportError, "ended without an exit status"),
        (Socket(b"\xff"), TransportError, "ended without an exit status"),
        (Socket(b"[" * 100_000), TransportError, "ended without an exit status"),
        (Socket(b'{"status": "Failure"}'), TransportError, "did not run"),
        (Socket(b'{"status": {}, "details": [], "message": 5}'), TransportError, "did not run: 5"),
        (Socket(b'{"details": {"causes": [7, {"reason": "ExitCode"}]}}'), TransportError, "did not run"),
        (Socket(b'{"details": {"causes": [{"reason": "ExitCode", "message": "x"}]}}'), TransportError, "did not run"),
        (Socket(frames=[frame(1, b"half a li"), CLOSE]), TransportError, "ended without an exit status"),
        (Socket(frames=[WebSocketTimeoutException("x")]), TransportError, "did not end within 5 s"),
        (Socket(frames=[WebSocketConnectionClosedException("gone")]), TransportError, "was cut: gone"),
        (Socket(frames=[frame(1, b"half"), ConnectionResetError("reset")]), TransportError, "was cut: reset"),
        (Socket(error=OSError("No buffer space")), TransportError, "was cut: No buffer space"),
        (ApiException(status=0, reason="Handshake status 404 Not Found"), UnusableError, "refused by the API server"),
        (
            ApiException(status=0, reason="Handshake status 500 error dialing backend"),
            TransportError,
            "dialing backend",
        ),
        (RuntimeError("no kubeconfig"), TransportError, "could not be started: RuntimeError: no kubeconfig"),
    ],
)
def test_each_way_to_lose_an_exec_is_said_apart(
    monkeypatch: pytest.MonkeyPatch, socket: Socket | Exception, error: type[TransportError], why: str
) -> None:
    with pytest.raises(TransportError, match=why) as raised:
        vantage(monkeypatch, socket).run(["sh"], "x", 5)

    assert type(raised.value) is error


def test_an_exec_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod, "_OPEN", 0.05)
    asked = vantage(monkeypatch, Socket())
    monkeypatch.setattr(pod, "stream", lambda *_, **__: time.sleep(0.3))

    with pytest.raises(UnusableError, match="is its node up"):
        asked.run(["sh"], "", 5)


@pytest.mark.parametrize("channel", [1, 2, 3, 77])
def test_a_command_that_prints_without_end_is_read_to_the_bound_only(
    monkeypatch: pytest.MonkeyPatch, channel: int
) -> None:
    socket = Socket(frames=repeat(frame(channel, b"x" * 32_768)))

    with pytest.raises(UnusableError, match=rf"pod hairpin/pod-n1: the output .* got more than {OUTPUT_MAX} bytes"):
        vantage(monkeypatch, socket).run(["yes"], "", 5)
    assert socket.closed


def test_a_command_that_ends_before_it_has_read_all_still_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    done = vantage(monkeypatch, Socket(FAILED, error=BrokenPipeError("Broken pipe"))).run(["sh"], "x", 5)

    assert (done.stdout, done.exit_code) == (b"out", 42)
