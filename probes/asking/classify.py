"""Turn one transfer into an Attempt: curl's exit code, its reason, the HTTP status and the body. Pure.

Exit codes are curl's own (`man curl`, EXIT CODES; everything.curl.dev/cmdline/exitcode). The words of a failed
connection are the C library's: glibc "No route to host", musl "Host is unreachable". A DNS server that does not answer
shows nothing of the Service that was asked: it is no outcome. The body is agnhost netexec's
(test/images/agnhost/netexec), see `curl.py`. Whatever else a server answers is observed as a wrong backend: it never
raises.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING

from probes.asking.curl import SHORT
from probes.asking.transfers import COULD_NOT_CONNECT, HTTP_OK, WRITE_FAILED
from probes.observation import Attempt, Outcome
from topologies.common.addresses import IPAddress
from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from probes.asking.curl import Transfer

OK = 0
NOT_RESOLVED = 6
TIMED_OUT = 28
RECEIVE_FAILED = 56
PORT_MAX = 65535
_RESET = {
    35,  # the connection ended during a handshake
    52,  # empty reply
    55,  # failure in sending
}
_NOT_AN_ECHO = {
    1,  # "Unsupported HTTP version in response"
    8,  # "Weird server reply"
    18,  # "transfer closed with outstanding read data remaining"
    61,  # "Unrecognized content encoding type"
    63,  # "Exceeded the maximum allowed file size"
    100,  # "Too large response headers" (curl >= 8.6)
}
_UNREACHABLE = re.compile(r"No route to host|(?:Network|Host)(?: is)? unreachable|Permission denied", re.IGNORECASE)
# curl also ends 56 for what it cannot parse ("Too large response headers", "Illegal or missing hexadecimal sequence in
# chunked-encoding"): that is an answer, and no reset
_UNPARSED = re.compile(r"header|chunk", re.IGNORECASE)
# 28 "Resolving timed out after 2000 milliseconds"; with c-ares 6 "... (Timeout while contacting DNS servers)"
_DNS_SILENT = re.compile(r"Resolving timed out|Timeout while contacting|Could not contact DNS", re.IGNORECASE)
_ECHO = re.compile(
    r"(\[[0-9a-f:.]+\]|[0-9.]+):([0-9]{1,5})HTTP/1\.[01] 200 .*?\r\n\r\n([A-Za-z0-9.-]{1,253})\s*\Z", re.DOTALL
)


class UnclearError(HairpinError):
    """The transfer shows nothing of the network (curl or the vantage itself failed): its cell is in trouble."""


def attempt(transfer: Transfer, *, scout: bool = False) -> Attempt:
    """Return the attempt this transfer was.

    Raises:
        UnclearError: If the transfer shows nothing of the network.

    """
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


def _meaning(transfer: Transfer) -> tuple[Outcome, IPAddress | None, str | None, str]:
    if transfer.lost:
        raise UnclearError(transfer.lost)
    if transfer.size >= SHORT:
        return _not_an_echo(transfer, f"{transfer.size} bytes, longer than any echo")
    if transfer.exit_code == WRITE_FAILED and transfer.http_status not in {0, HTTP_OK}:
        return _not_an_echo(transfer, transfer.message)
    if transfer.size and not transfer.http_status and transfer.exit_code != WRITE_FAILED:
        return _not_an_echo(transfer, _quoted(transfer.quote))
    if transfer.exit_code == OK:
        return _answer(transfer)
    return _failure(transfer), None, None, transfer.reason or transfer.message


def _failure(transfer: Transfer) -> Outcome:
    if transfer.exit_code == COULD_NOT_CONNECT:
        return _not_connected(transfer)
    if transfer.exit_code in {NOT_RESOLVED, TIMED_OUT} and _DNS_SILENT.search(transfer.message):
        message = f"the DNS server did not answer, so there was no connection: {transfer.message}"
        raise UnclearError(message)
    if transfer.exit_code == NOT_RESOLVED:
        return Outcome.NO_NAME
    if transfer.exit_code == TIMED_OUT:
        return Outcome.HANG if transfer.time_connect > 0 else Outcome.TIMEOUT
    if transfer.exit_code == RECEIVE_FAILED:
        return Outcome.WRONG_BACKEND if _UNPARSED.search(transfer.message) else Outcome.RESET
    if transfer.exit_code in _RESET:
        return Outcome.RESET
    if transfer.exit_code in _NOT_AN_ECHO:
        return Outcome.WRONG_BACKEND
    message = f"curl ended {transfer.exit_code}, which is no evidence about the network: {transfer.message}"
    raise UnclearError(message)


def _not_connected(transfer: Transfer) -> Outcome:
    if "refused" in transfer.reason.lower():
        return Outcome.REFUSED
    if _UNREACHABLE.search(transfer.reason):
        return Outcome.UNREACHABLE
    if "timed out" in transfer.reason.lower():
        return Outcome.TIMEOUT
    message = f"curl did not report why it could not connect: {transfer.message}"
    if transfer.reason:
        message = f"the vantage itself could not connect: {transfer.reason}"
    raise UnclearError(message)


def _answer(transfer: Transfer) -> tuple[Outcome, IPAddress | None, str | None, str]:
    if transfer.connections != 1:
        message = (
            f"curl opened {transfer.connections} connections for one attempt: a reused connection shows nothing new"
        )
        raise UnclearError(message)
    text = transfer.body.decode("utf-8", "replace")
    echo = _ECHO.match(text)
    if transfer.http_status != HTTP_OK or not echo:
        return _not_an_echo(transfer, _quoted(transfer.body or transfer.quote))
    source = _address(echo[1])
    if source is None or not 0 < int(echo[2]) <= PORT_MAX:
        return _not_an_echo(transfer, f"it saw the client as {echo[1]}:{echo[2]}, want an IPv4 address and a port")
    return Outcome.OK, source, echo[3], ""


def _not_an_echo(transfer: Transfer, what: str) -> tuple[Outcome, None, None, str]:
    protocol = f"HTTP {transfer.http_status}" if transfer.http_status else "no HTTP"
    return Outcome.WRONG_BACKEND, None, None, f"{protocol}, not an echo: {what}"


def _quoted(sent: bytes) -> str:
    return repr(sent.decode("utf-8", "replace")[:80])


def _address(text: str) -> IPAddress | None:
    """Return the client's address; an IPv6 one only if it maps an IPv4 one (RFC 4291, 2.5.5.2)."""
    try:
        return IPv6Address(text[1:-1]).ipv4_mapped if text.startswith("[") else IPAddress(text)
    except AddressValueError:
        return None
