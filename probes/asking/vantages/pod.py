"""A pod, probed by exec through the API server. The one door to `kubernetes.stream`.

`stream()` patches the ApiClient it is given (kubernetes-client/python#928), so every exec makes a client of its own. A
v4 websocket cannot half-close stdin, so a command must know how much to read (`curl.py` uses `head -c`). The exit code
comes as a Status object on the error channel; without it, it is unknown whether the command ran to its end.
The frames are read here and not by `WSClient.run_forever`, which has no bound: it reads whatever a command prints.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from websocket import ABNF, WebSocketConnectionClosedException, WebSocketException, WebSocketTimeoutException

from probes.asking.vantages.base import Completed, TransportError, UnusableError, at_once, refuse_flood
from topologies.common.threads import ends_within, start
from topologies.common.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STDOUT, _STDERR, _ERROR = 1, 2, 3  # channels of v4.channel.k8s.io
_DATA = {ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT}
_CHUNK = 32 * 1024  # bytes of stdin in one websocket message
_OPEN = 10.0  # seconds; an API server waits 30 s for a dead kubelet
_HANDSHAKE = re.compile(r"Handshake status (\d+)")
_FINAL = {"401", "403", "404"}


class PodVantage:
    """One container, probed by exec.

    `api_factory` returns a new `CoreV1Api`, on an ApiClient of its own, each time it is called.
    """

    def __init__(
        self, api_factory: Callable[[], Any], namespace: str, pod: str, container: str, name: str = ""
    ) -> None:
        self.name = name or pod
        self._api_factory = api_factory
        self._namespace = namespace
        self._pod = pod
        self._container = container

    def __str__(self) -> str:
        return f"pod {self._namespace}/{self._pod}"

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        """See `base.Prober.run`.

        An exec that is refused for good (401, 403, 404) or not opened in 10 s is an UnusableError.
        """
        deadline = Deadline(timeout)
        socket = self._open(command)
        try:
            gate()
            _feed(socket, stdin.encode())
            channels = self._read(socket.sock, deadline)
            return Completed(bytes(channels[_STDOUT]), bytes(channels[_STDERR]), self._exit_code(channels[_ERROR]))
        except (TimeoutError, WebSocketTimeoutException) as error:
            message = f"exec into {self} did not end within {timeout:g} s"
            raise TransportError(message) from error
        except (OSError, WebSocketException) as error:
            message = f"exec into {self} was cut: {error or type(error).__name__}"
            raise TransportError(message) from error
        finally:
            socket.close()

    def _read(self, frames: Any, deadline: Deadline) -> dict[int, bytearray]:  # noqa: ANN401 - kubernetes has no types
        """Return what came on each channel until the other end closed the connection."""
        channels: dict[int, bytearray] = defaultdict(bytearray)
        while True:
            frames.settimeout(max(deadline.left, 0.1))
            code, frame = frames.recv_data_frame(control_frame=True)
            if code == ABNF.OPCODE_CLOSE:
                return channels
            if code in _DATA and frame.data:
                channels[frame.data[0]] += frame.data[1:]
                refuse_flood(self, sum(map(len, channels.values())))
            if deadline.passed:
                raise TimeoutError

    def _open(self, command: Sequence[str]) -> Any:  # noqa: ANN401 - kubernetes has no types
        """Open the websocket, in a thread of its own because the library's handshake knows no time limit."""
        opening = start(self._connect, command)
        if not ends_within(opening, _OPEN):
            message = (
                f"exec into {self} was not answered within {_OPEN:g} s: is its node up, and its kubelet reachable?"
            )
            raise UnusableError(message)
        return opening.result()

    def _connect(self, command: Sequence[str]) -> Any:  # noqa: ANN401 - kubernetes has no types
        try:
            return stream(
                self._api_factory().connect_get_namespaced_pod_exec,
                self._pod,
                self._namespace,
                container=self._container,
                command=list(command),
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,
                _preload_content=False,
            )
        except ApiException as error:
            raise self._refused(error) from error
        except Exception as error:
            message = f"exec into {self} could not be started: {type(error).__name__}: {error}"
            raise TransportError(message) from error

    def _refused(self, error: ApiException) -> TransportError:
        reason = str(error.reason)
        status = _HANDSHAKE.search(reason)
        message = f"exec into {self} was refused by the API server: {reason[:300]}"
        return UnusableError(message) if status and status[1] in _FINAL else TransportError(message)

    def _exit_code(self, received: bytearray) -> int:
        status = _object(_parsed(received))
        if not status:
            message = f"exec into {self} ended without an exit status: the API server or the kubelet cut it"
            raise TransportError(message)
        if status.get("status") == "Success":
            return 0
        causes = _object(status.get("details")).get("causes")
        for cause in map(_object, causes if isinstance(causes, list) else ()):
            if cause.get("reason") == "ExitCode" and re.fullmatch("[0-9]{1,9}", str(cause.get("message"))):
                return int(str(cause["message"]))
        message = f"exec into {self} did not run: {str(status.get('message', status))[:300]}"
        raise TransportError(message)


def _feed(socket: Any, data: bytes) -> None:  # noqa: ANN401 - kubernetes has no types
    """Send all of stdin. A command may end before it has read that: what it printed is then still to be read."""
    with suppress(ConnectionError, WebSocketConnectionClosedException):
        for start in range(0, len(data), _CHUNK):
            socket.write_channel(0, data[start : start + _CHUNK])


def _parsed(text: bytearray) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
