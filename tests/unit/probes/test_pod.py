"""pod.py against a websocket that is scripted, frame by frame."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from probes.vantages import pod
from probes.vantages.base import TransportError, UnusableError
from probes.vantages.pod import PodVantage

SUCCESS = json.dumps({"status": "Success"}).encode()
FAILED = json.dumps(
    {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "42"}]}, "message": "exit code 42"}
).encode()
NO_SHELL = json.dumps({"status": "Failure", "reason": "InternalError", "message": 'exec: "sh": not found'}).encode()


class Socket:
    def __init__(self, status: bytes = SUCCESS, *, open_: bool = False, error: Exception | None = None) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.closed = False
        self._open = open_
        self._error = error
        self._channels = {1: b"out", 2: b"err", 3: status}

    def write_channel(self, channel: int, data: bytes) -> None:
        if self._error:
            raise self._error
        self.sent.append((channel, data))

    def run_forever(self, timeout: float) -> None:
        assert timeout > 0

    def is_open(self) -> bool:
        return self._open

    def read_channel(self, channel: int) -> bytes:
        return self._channels[channel]

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
        (Socket(open_=True), TransportError, "did not end within 5 s"),
        (Socket(error=BrokenPipeError("Broken pipe")), TransportError, "was cut: Broken pipe"),
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
