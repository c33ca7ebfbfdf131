r"""Read what a curl batch printed: one Transfer for each attempt. Pure.

**Which report belongs to which attempt**: each `write-out` record holds its URL, which holds the ask's number.

**Which body belongs to which record**: an echo repeats the label of the transfer's own URL at the start of its body.
Every transfer has an `output` of its own. curl writes a body below SHORT bytes to it in one piece, so the reader finds
the body by its label, and `size_download` is its length. The order of the bodies does not matter, and neither does
what other servers send. An answer with status 200 is `lost` if bytes are missing and its body is not there as a whole:
the caller asks for it again. If no bytes are missing, an answer without its label shows that the server is no echo.
The rest is known without a body: a failed connection, a status other than 200, an answer longer than any echo.

**A transfer whose answer is its own request** is lost too: the connection came back to its own client. With `MASQUERADE
--random-fully` (kube-proxy, flannel) this happens to one of 64,512 connections of pods to the public address of their
own node. The caller asks again. A server that sends every request back is no echo pod: the second time, the request is
the answer (`as_answer`).

**Why a connection failed** is not in `%{errormsg}` of every curl: 7.75 prints "Failed to connect to A port P:
Connection refused", later ones "... after 0 ms: Couldn't connect to server" for a refusal and an ICMP unreachable (exit
7). Then the system's words stand only in `-v` lines: `connect to A port P failed: Connection refused` (curl 8
`connect to A port P from L port Q failed: ...`) or `Immediate connect fail for A: No route to host`, each followed at
once by `Failed to connect to A port P after ...`. They do not name the transfer, but are printed in the order in which
transfers to the same address and port end: the n-th reason of a target belongs to its n-th record with exit 7.
Source: curl lib/connect.c is_connected, later lib/cf-socket.c cf_tcp_connect and socket_connect_result.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from probes.asking.curl import FIELDS, SHORT, Transfer, bodies_max
from probes.asking.vantages.base import TornError, UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probes.asking.curl import Ask

COULD_NOT_CONNECT = 7
WRITE_FAILED = 23
ABORTED = 42
NOT_BOUND = 45  # all of the cell's client ports are in use by others: nothing was sent
# curl ends (42) all other transfers after one that ended so (src/tool_operate.c is_fatal_error). A response header line
# over 100 KB is one: 27, "out of memory" (curl < 8.6)
_FATAL = {2, 27, 43, 48}
HTTP_OK = 200
_USAGE = 2  # curl's exit code for an option it does not know
_CANNOT_RUN = {126, 127}  # the shell's exit codes
_NEVER_REPORTED = -1
RETURNED = "its own request came back: a NAT on the way gave it the port it goes to as its source port"
_LABEL = re.compile(r"/echo\?msg=([0-9a-f]+\.(\d+)\.\d+)$", re.ASCII)
_LABELLED = re.compile(rb"([0-9a-f]{16}\.\d+\.\d+)HTTP/")
_HEADER = re.compile(rb"HTTP/1\.[01] 200 .*?\r\n\r\n", re.DOTALL)
_IDS = r"(?:\[[^]]*\] )?"  # curl --trace-ids, if a later curl makes it the default
_REASON = re.compile(_IDS + r"\* (?:connect to .* failed|Immediate connect fail for [^:]*): (.+)")
_FAILED = re.compile(_IDS + r"\* Failed to connect to (\S+) port (\d+)")
_NAMED = re.compile(r"Failed to connect to \S+ port \d+.*?: (?!Could(?:n't| not) connect)(.+)")


class OutdatedError(UnusableError):
    """curl lacks an option or a `write-out` variable that the batch uses."""


@dataclass(frozen=True, slots=True)
class _Printed:
    """What a batch printed: its reports, its bodies, and curl's exit code."""

    reports: str
    bodies: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class _Reported:
    """A transfer and where it belongs: the ask's number, its target, its label."""

    number: int
    target: str
    label: bytes
    transfer: Transfer


def disturbs(transfer: Transfer) -> bool:
    """Return whether this transfer may have spoiled others of its batch."""
    return transfer.size >= SHORT or transfer.exit_code in _FATAL


def as_answer(transfer: Transfer) -> Transfer:
    """Return a transfer that was asked again: if its own request came back once more, a server sent it."""
    return replace(transfer, lost="") if transfer.lost == RETURNED else transfer


def read(output: bytes, asks: Sequence[Ask], mark: str, *, partial: bool = False) -> list[list[Transfer]]:
    """Return the transfers of each ask, in the order of `asks`, each as many as its `times`.

    Args:
        output: What the batch printed.
        asks: What it was composed of.
        mark: The batch's.
        partial: Whether attempts that curl did not report are `lost`, instead of a TornError.

    Raises:
        UnusableError: If a tool is missing or too old at the vantage.
        TornError: If the output is cut, or holds reports that cannot be.

    """
    found = _split(output, mark)
    records = [_record(line, asks) for line in found.reports.split("\n") if line.startswith(f"{mark}\t")]
    if found.exit_code == _USAGE and not records:
        message = f"curl does not know an option: {_words(found)}"
        raise OutdatedError(message)
    transfers = _with_bodies(_with_reasons(records, found.reports), found.bodies, bodies_max(asks))
    by_ask: list[list[Transfer]] = [[] for _ in asks]
    for record, transfer in zip(records, transfers, strict=True):
        by_ask[record.number].append(transfer)
    return _completed(by_ask, asks, found, partial=partial)


def _split(output: bytes, mark: str) -> _Printed:
    _, begun, printed = output.partition(f"\n{mark}-begin\n".encode())
    if missing := re.match(rf"{mark}-missing (\w+)".encode(), printed):
        message = f"{missing[1].decode()} is missing: use an image or a host with sh, head, grep, tr and curl >= 7.75"
        raise UnusableError(message)
    reports, _, rest = printed.partition(f"{mark}-bodies\n".encode())
    bodies, done, _ = rest.rpartition(f".\n{mark}-done\n".encode())
    ended = re.search(rf"^{mark}-end (\d+)\n\Z".encode(), reports, re.MULTILINE)
    if not (begun and done and ended):
        message = f"the output of curl was cut: no end mark after {len(output)} bytes; it begins {output[:100]!r}"
        raise TornError(message)
    found = _Printed(reports.decode("utf-8", "replace"), bodies, int(ended[1]))
    if found.exit_code in _CANNOT_RUN:
        message = f"curl cannot run: it ended {found.exit_code}: {_words(found)}"
        raise UnusableError(message)
    return found


def _words(found: _Printed) -> str:
    """Return curl's own complaints, shortened."""
    complaints = [line for line in found.reports.split("\n") if line.startswith("curl: ")]
    return " ".join(complaints)[:300] or f"exit code {found.exit_code}"


def _record(line: str, asks: Sequence[Ask]) -> _Reported:
    values = line.split("\t", len(FIELDS))[1:]
    try:
        field = dict(zip(FIELDS, values, strict=True))
        if not field["exitcode"]:
            message = "curl does not know the write-out variable exitcode"
            raise OutdatedError(message)
        named = _LABEL.search(field["url_effective"])
        number = int(named[2]) if named else -1
        transfer = _transfer(field)
    except ValueError as error:
        message = f"a line of curl's output cannot be read ({error}): {line[:200]!r}"
        raise TornError(message) from error
    if named is None or not 0 <= number < len(asks):
        message = f"curl reports a question that was not asked: {field['url_effective'][:200]}"
        raise TornError(message)
    return _Reported(number, _without_last_dot(str(asks[number].target)), named[1].encode(), transfer)


def _transfer(field: dict[str, str]) -> Transfer:
    return Transfer(
        exit_code=int(field["exitcode"]),
        http_status=int(field["http_code"]),
        time_connect=float(field["time_connect"]),
        time_total=float(field["time_total"]),
        local=_endpoint(field["local_ip"], field["local_port"]),
        remote=_endpoint(field["remote_ip"], field["remote_port"]),
        connections=int(field["num_connects"]),
        size=int(field["size_download"]),
        message=field["errormsg"],
    )


def _endpoint(address: str, port: str) -> str:
    return f"{address}:{port}" if address else ""


def _with_reasons(records: Sequence[_Reported], reports: str) -> list[_Reported]:
    """Give each failed connection its reason; none if those of its target do not fit its records."""
    printed = _reasons(reports)
    failed: dict[str, int] = defaultdict(int)
    for record in records:
        failed[record.target] += record.transfer.exit_code == COULD_NOT_CONNECT
    fitting = {target: reasons for target, reasons in printed.items() if len(reasons) == failed[target]}
    return [replace(record, transfer=_with_reason(record, fitting.get(record.target))) for record in records]


def _with_reason(record: _Reported, printed: deque[str] | None) -> Transfer:
    transfer = record.transfer
    if transfer.exit_code != COULD_NOT_CONNECT:
        return transfer
    in_order = printed.popleft() if printed else ""
    named = _NAMED.match(transfer.message)
    return replace(transfer, reason=named[1].strip() if named else in_order)


def _reasons(reports: str) -> dict[str, deque[str]]:
    """Return the system's words for failed connections by target, in the order in which they were printed."""
    reasons: dict[str, deque[str]] = defaultdict(deque)
    reason = ""
    for line in reports.split("\n"):
        if found := _REASON.match(line):
            reason = found[1].strip()
        elif reason and (failed := _FAILED.match(line)):
            reasons[_without_last_dot(f"{failed[1]}:{failed[2]}")].append(reason)
            reason = ""
    return reasons


def _without_last_dot(target: str) -> str:
    """Return a target without the dot at the end of its name, which curl < 7.82 removes from a name.

    >>> _without_last_dot("web.ns.svc.cluster.local.:80")
    'web.ns.svc.cluster.local:80'
    """
    return target.replace(".:", ":")


def _with_bodies(records: Sequence[_Reported], bodies: bytes, limit: int) -> list[Transfer]:
    written = sum(record.transfer.size for record in records if record.transfer.exit_code == 0)
    cut = len(bodies) >= limit or len(bodies) < written
    spans = _spans(bodies)
    return [
        _returned(record, bodies)
        or _with_body(record.transfer, _labelled(record, bodies, spans[record.label], cut=cut), quote)
        for record, quote in zip(records, _in_order(records, bodies, spans), strict=True)
    ]


def _returned(record: _Reported, bodies: bytes) -> Transfer | None:
    """Return the transfer if what it received is no HTTP but its own request."""
    request = b"GET /echo?msg=" + record.label + b" HTTP/1.1\r\n"
    if record.transfer.http_status or not 0 < record.transfer.size < SHORT or request not in bodies:
        return None
    return replace(record.transfer, lost=RETURNED, quote=request)


def _spans(bodies: bytes) -> dict[bytes, list[tuple[int, int]]]:
    """Return for each label where it begins, and where the next label or the end of `bodies` is."""
    labels = list(_LABELLED.finditer(bodies))
    ends = [*(label.start() for label in labels[1:]), len(bodies)]
    spans: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for label, end in zip(labels, ends, strict=False):
        spans[label[1]].append((label.start(), end))
    return spans


def _labelled(record: _Reported, bodies: bytes, spans: Sequence[tuple[int, int]], *, cut: bool) -> bytes | None:
    """Return the body without its label and the header that follows.

    Args:
        record: A transfer.
        bodies: What was collected of the bodies of all transfers.
        spans: Where its label is: see `_spans`.
        cut: Whether bytes of bodies are missing.

    Returns:
        Empty if the server is no echo: its label is not there or comes twice, no header follows, or another label
        comes before the body ends. None if that cannot be known, because bytes are missing.

    """
    if not spans:
        return None if cut else b""
    start, most = spans[0]
    end = start + record.transfer.size
    if end > len(bodies) and cut:
        return None
    header = _HEADER.match(bodies, start + len(record.label), end)
    return bodies[header.end() : end] if header and len(spans) == 1 and end <= most else b""


def _in_order(
    records: Sequence[_Reported], bodies: bytes, spans: Mapping[bytes, Sequence[tuple[int, int]]]
) -> list[bytes]:
    """Return each record's body by the order of the records; all empty if that order is in doubt.

    Good enough to quote a server that is no echo: nothing else is concluded from it.
    """
    sizes = [record.transfer.size for record in records]
    parts = [bodies[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    misplaced = any(
        spans[record.label] and not part.startswith(record.label) for record, part in zip(records, parts, strict=True)
    )
    if misplaced or sum(sizes) != len(bodies) or max(sizes, default=0) >= SHORT:
        return [b""] * len(records)
    return parts


def _with_body(transfer: Transfer, body: bytes | None, quote: bytes) -> Transfer:
    if why := _why_lost(transfer, body):
        return replace(transfer, lost=why)
    return transfer if transfer.size >= SHORT else replace(transfer, body=body or b"", quote=b"" if body else quote)


def _why_lost(transfer: Transfer, body: bytes | None) -> str:
    """Return why this transfer is no evidence; empty if it is."""
    if transfer.size >= SHORT:
        return ""
    if transfer.exit_code == WRITE_FAILED and transfer.http_status in {0, HTTP_OK}:
        return f"curl could not write the answer: {transfer.message}"
    if transfer.exit_code == ABORTED:
        return f"curl ended it for the sake of another one: {transfer.message}"
    if transfer.exit_code == NOT_BOUND:
        return f"curl ended {NOT_BOUND}, which is no evidence about the network: {transfer.message}"
    if body is None and transfer.exit_code == 0 and transfer.http_status == HTTP_OK and transfer.size:
        return "its answer could not be distinguished from others of the same batch"
    return ""


def _completed(
    found: list[list[Transfer]], asks: Sequence[Ask], output: _Printed, *, partial: bool
) -> list[list[Transfer]]:
    got, want = [len(transfers) for transfers in found], [ask.times for ask in asks]
    if got == want:
        return found
    if not partial or any(more > most for more, most in zip(got, want, strict=True)):
        message = f"curl ended {output.exit_code} and reported {sum(got)} attempts, want {sum(want)}: {_words(output)}"
        raise TornError(message)
    why = f"curl ended {output.exit_code} before it reported this attempt"
    unreported = Transfer(_NEVER_REPORTED, 0, 0.0, 0.0, "", "", 0, 0, "", lost=why)
    return [transfers + [unreported] * (ask.times - len(transfers)) for transfers, ask in zip(found, asks, strict=True)]
