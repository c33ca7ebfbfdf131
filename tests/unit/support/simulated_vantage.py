"""A vantage without a cluster: a function that the caller gives answers each attempt.

It reads the curl batch that a real vantage would get and prints what curl would print. So composing, reading,
classifying and the phases are the same code as on a cluster. Of the Attempt that the function returns, only outcome,
source, backend, HTTP status and seconds are used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from probes.asking.vantages.base import Completed, at_once
from probes.observation import Attempt, Outcome
from topologies.common.addresses import IPAddress
from topologies.frontends import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_URL = re.compile(r'^url="http://([\w.-]+):(\d+)/echo\?msg=([0-9a-f]+)\.(\d+)\.\[1-(\d+)\]"$', re.MULTILINE)
_MARK = re.compile(r'^write-out="\\n(@@hairpin-[0-9a-f]+)', re.MULTILINE)
_EXIT = {
    Outcome.OK: 0,
    Outcome.WRONG_BACKEND: 0,
    Outcome.REFUSED: 7,
    Outcome.UNREACHABLE: 7,
    Outcome.TIMEOUT: 28,
    Outcome.HANG: 28,
    Outcome.RESET: 56,
    Outcome.NO_NAME: 6,
}
_STATUS = {Outcome.OK: "200", Outcome.WRONG_BACKEND: "404"}
_REASON = {Outcome.REFUSED: "Connection refused", Outcome.UNREACHABLE: "No route to host"}
_CONNECTED = {Outcome.OK, Outcome.WRONG_BACKEND, Outcome.HANG, Outcome.RESET}
_HEADER = "HTTP/1.1 200 OK\r\n\r\n"
_LOCAL = IPAddress("192.0.2.1")  # TEST-NET-1, RFC 5737
_LOCAL_PORT = 40000


class SimulatedVantage:
    """`answer(target)` is called once per attempt, in the order of the questions; it may raise TransportError."""

    def __init__(self, name: str, answer: Callable[[Target], Attempt]) -> None:
        self.name = name
        self._answer = answer

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        """Answer every attempt of the batch at once; `command` and `timeout` change nothing."""
        gate()
        del command, timeout
        mark = (_MARK.search(stdin) or ("", ""))[1]
        said, bodies = f"\n{mark}-begin\n", ""
        for address, port, nonce, number, times in _URL.findall(stdin):
            target = _read_target(address, int(port))
            for n in range(1, int(times) + 1):
                attempt = self._answer(target)
                label = f"{nonce}.{number}.{n}"
                said += _say(mark, target, label, attempt)
                bodies += _body(label, attempt)
        return Completed(f"{said}{mark}-end 0\n{mark}-bodies\n{bodies}.\n{mark}-done\n".encode())


def _read_target(host: str, port: int) -> Target:
    """Return the target of a URL. Every name gives the same address."""
    return Target(IPAddress(host), port) if host.replace(".", "").isdigit() else Target(_LOCAL, port, host)


def _say(mark: str, target: Target, label: str, attempt: Attempt) -> str:
    """Return what curl reports of this attempt: verbose reason, record."""
    exit_code = _EXIT[attempt.outcome]
    connected = attempt.outcome in _CONNECTED
    reason = _REASON.get(attempt.outcome)
    host = target.name or target.address
    failed = f"Failed to connect to {host} port {target.port} after 0 ms: Couldn't connect to server"
    verbose = f"* connect to {target.address} port {target.port} failed: {reason}\n* {failed}\n" if reason else ""
    size = len(_body(label, attempt))
    record = (
        mark,
        f"http://{target}/echo?msg={label}",
        exit_code,
        attempt.http_status or _STATUS.get(attempt.outcome, "000"),
        attempt.seconds / 2 or 0.0001 if connected else 0,
        attempt.seconds,
        _LOCAL if connected else "",
        _LOCAL_PORT,
        target.address if connected else "",
        target.port,
        int(connected),
        size,
        (failed if reason else attempt.message).replace("\n", " "),
    )
    return verbose + "\t".join(map(str, record)) + "\n"


def _body(label: str, attempt: Attempt) -> str:
    if attempt.outcome is Outcome.OK:
        return _HEADER.join((label, f"{attempt.source or _LOCAL}:{_LOCAL_PORT}", str(attempt.backend)))
    return "welcome" if attempt.outcome is Outcome.WRONG_BACKEND else ""
