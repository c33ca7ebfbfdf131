"""What one transfer means: curl's exit code, its reason, the HTTP status and the body -> an Attempt. Pure.

Exit codes are curl's own (`man curl`, EXIT CODES; everything.curl.dev/cmdline/exitcode). The words of a failed
connection are the C library's: glibc "No route to host", musl "Host is unreachable". The body is agnhost netexec's
(test/images/agnhost/netexec), see `curl.py`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from probes.curl import COULD_NOT_CONNECT
from probes.observation import Attempt, Outcome

if TYPE_CHECKING:
    from probes.curl import Transfer

OK = 0
TIMED_OUT = 28
HTTP_OK = 200
_RESET = {
    35,  # the connection ended during a handshake
    52,  # empty reply
    55,  # failure in sending
    56,  # failure in receiving: "Connection reset by peer"
}
_NOT_AN_ECHO = {
    1,  # "Received HTTP/0.9 when not allowed": no HTTP at all
    8,  # "Weird server reply"
}
_UNREACHABLE = re.compile(r"No route to host|(?:Network|Host)(?: is)? unreachable|Permission denied", re.IGNORECASE)
_ECHO = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d+HTTP/1\.[01] 200 .*?\r\n\r\n([A-Za-z0-9.-]+)\s*\Z", re.DOTALL)


class UnclearError(Exception):
    """The transfer tells nothing about the network (curl or the vantage itself failed): its cell is in trouble."""


def attempt(transfer: Transfer, *, scout: bool = False) -> Attempt:
    """The attempt this transfer was; UnclearError if it tells nothing about the network."""
    outcome, source, backend, message = _meaning(transfer)
    return Attempt(
        outcome=outcome,
        source=source,
        backend=backend,
        seconds=transfer.time_total,
        exit_code=transfer.exit_code,
        message=message,
        http_status=transfer.http_status,
        local=transfer.local,
        remote=transfer.remote,
        scout=scout,
    )


def _meaning(transfer: Transfer) -> tuple[Outcome, IPv4Address | None, str | None, str]:
    if transfer.exit_code == OK:
        return _answer(transfer)
    return _failure(transfer), None, None, transfer.reason or transfer.message


def _failure(transfer: Transfer) -> Outcome:
    if transfer.exit_code == COULD_NOT_CONNECT:
        return _not_connected(transfer)
    if transfer.exit_code == TIMED_OUT:
        return Outcome.HANG if transfer.time_connect > 0 else Outcome.TIMEOUT
    if transfer.exit_code in _RESET:
        return Outcome.RESET
    if transfer.exit_code in _NOT_AN_ECHO:
        return Outcome.WRONG_BACKEND
    message = f"curl ended {transfer.exit_code}, which says nothing about the network: {transfer.message}"
    raise UnclearError(message)


def _not_connected(transfer: Transfer) -> Outcome:
    if "refused" in transfer.reason.lower():
        return Outcome.REFUSED
    if _UNREACHABLE.search(transfer.reason):
        return Outcome.UNREACHABLE
    if "timed out" in transfer.reason.lower():
        return Outcome.TIMEOUT
    message = f"the vantage itself could not connect: {transfer.reason}"
    raise UnclearError(message)


def _answer(transfer: Transfer) -> tuple[Outcome, IPv4Address | None, str | None, str]:
    if transfer.connections != 1:
        message = (
            f"curl opened {transfer.connections} connections for one attempt: a reused connection tells nothing new"
        )
        raise UnclearError(message)
    text = transfer.body.decode("utf-8", "replace")
    echo = _ECHO.match(text)
    if transfer.http_status == HTTP_OK and echo:
        return Outcome.OK, IPv4Address(echo[1]), echo[2], ""
    return Outcome.WRONG_BACKEND, None, None, f"HTTP {transfer.http_status}, not an echo: {text[:80]!r}"
