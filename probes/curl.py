r"""One parallel curl batch: composed as text, read back as transfers. Pure; nothing here talks to anything.

**One connection tells both answers.** Each transfer opens its own TCP connection and pipelines two GETs through it:
`/clientip` as curl's request and `GET /hostname` as its "body" (`Content-Length` removed, so the server reads it as
the next request). The second says `Connection: close`, so the server ends the connection and no transfer can reuse it.
With `ignore-content-length` curl takes all bytes until the end as one body: `10.244.1.7:46586HTTP/1.1 200
OK\r\n…\r\n\r\nweb-a` (agnhost netexec).

**Which body belongs to which transfer** needs no temporary file (a container's root may be read-only): every transfer
has an `output` of its own, `/dev/stdout`, which curl closes (one write below PIPE_BUF) right before it prints the
transfer's `write-out`. Both go through one pipe (`2>&1 | cat`), from one single-threaded process, so the
`size_download` bytes before a record are its body.

**Why a connection failed** is not in `%{errormsg}`: curl 7.88 says "Couldn't connect to server" for a refusal and for
an ICMP unreachable alike (exit 7). The system's words stand only in `-v` lines: `connect to A port P failed:
Connection refused` or `Immediate connect fail for A: No route to host`, each followed at once by `Failed to connect to
A port P after …`. They do not name the transfer, but are printed in the order in which transfers to the same address
and port end: the n-th reason of a target belongs to its n-th record with exit 7.

Needs curl >= 7.75 (`exitcode`, `errormsg`, `parallel-immediate`), `sh`, `head -c` and `cat` (dash, busybox and bash
do).
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING
from zlib import crc32

from probes.vantages.base import TornError, UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topologies.frontends import Target

PARALLEL_MAX = 300  # curl's own limit for --parallel-max
ANSWER_TIME = 8.0  # seconds from connected to answered: a busy backend is slow, only one that says nothing hangs
# Every connection of a batch has a port of its own. The kernel would give one port to several connections that go to
# different addresses, and ipvs tells the replies of one backend apart by the client's address and port alone.
PORTS = range(33000, 61000)  # above the NodePorts
SPARE = 4  # ports of a cell beyond its sample: some are taken by others, and curl tries the next
NOT_FOUND = 127  # the shell's exit code for a command that is not there
COULD_NOT_CONNECT = 7
MARK = "@@hairpin"

# head: a v4 websocket cannot half-close stdin, so exactly N bytes are read. The last line tells the exit code of curl.
_SCRIPT = (
    "head -c {size} | {{ curl -q -s -v -Z --parallel-immediate --parallel-max {parallel} "
    "--no-progress-meter -K - ; code=$?; echo; echo {mark}-end $code; }} 2>&1 | cat"
)
_FIELDS = (
    "url_effective",
    "exitcode",
    "http_code",
    "time_connect",
    "time_total",
    "local_ip",
    "local_port",
    "remote_ip",
    "remote_port",
    "num_connects",
    "size_download",
    "errormsg",  # last, for it may hold anything
)
_WRITE_OUT = f"%{{stderr}}\\n{MARK}\\t" + "\\t".join(f"%{{{name}}}" for name in _FIELDS) + "\\n"
_SECTION = """\
url="http://{target}/clientip?{number}.[1-{times}]"
request="GET"
http1.1
ignore-content-length
noproxy="*"
header="Content-Length:"
header="Content-Type:"
header="Accept:"
header="User-Agent:"
data-binary="GET /hostname HTTP/1.1\\r\\nHost: e\\r\\nConnection: close\\r\\n\\r\\n"
local-port="{ports}"
connect-timeout={connect_timeout:g}
max-time={max_time:g}
output="/dev/stdout"
write-out="{write_out}"
"""
_RECORD = re.compile(rb"\n" + MARK.encode() + rb"\t([^\n]*)\n")
_END = re.compile(rb"\n" + MARK.encode() + rb"-end (\d+)\s*\Z")
_ASKED = re.compile(r"/clientip\?(\d+)\.\d+$")
_REASON = re.compile(r"\* (?:connect to .* failed|Immediate connect fail for [^:]*): (.+)")
_FAILED = re.compile(r"\* Failed to connect to (\S+) port (\d+)")


@dataclass(frozen=True, slots=True)
class Ask:
    """Open `times` fresh connections to `target`."""

    target: Target
    times: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A command that asks everything at once, and what it reads from its standard input (ASCII)."""

    command: tuple[str, ...]
    stdin: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One connection as curl tells it.

    Times in seconds from the start, 0 if never reached; `local`, `remote`: address:port or empty; `reason`: the
    system's words for a connection that failed (exit 7); `body`: all bytes the server sent after its first header.
    """

    exit_code: int
    http_status: int
    time_connect: float
    time_total: float
    local: str
    remote: str
    connections: int
    size: int
    message: str
    body: bytes = b""
    reason: str = ""


def compose(asks: Sequence[Ask], connect_timeout: float) -> Batch:
    """The batch that asks all of `asks` (at least one) at once; `connect_timeout` in seconds.

    At most PARALLEL_MAX connections are open at a time, so whoever composes keeps the silent ones below that.
    """
    stdin = "next\n".join(
        _SECTION.format(
            target=ask.target,
            number=number,
            ports=ports,
            times=ask.times,
            connect_timeout=connect_timeout,
            max_time=connect_timeout + ANSWER_TIME,
            write_out=_WRITE_OUT,
        )
        for number, (ask, ports) in enumerate(zip(asks, _ports(asks), strict=True))
    )
    script = _SCRIPT.format(size=len(stdin), parallel=PARALLEL_MAX, mark=MARK)
    return Batch(("sh", "-c", script), stdin)


def _ports(asks: Sequence[Ask]) -> list[str]:
    """A range of ports for each ask, disjoint; where they start depends on what is asked, so batches seldom meet."""
    widths = [ask.times + SPARE for ask in asks]
    room = len(PORTS) - sum(widths)
    if room <= 0:
        message = f"{sum(widths)} ports are more than there are for one batch"
        raise ValueError(message)
    start = PORTS[crc32("".join(f"{ask.target}" for ask in asks).encode()) % room]
    ends = [start + end for end in accumulate(widths)]
    return [f"{end - width}-{end - 1}" for width, end in zip(widths, ends, strict=True)]


def read(output: bytes, asks: Sequence[Ask]) -> list[list[Transfer]]:
    """The transfers of each ask, in the order of `asks`, each as many as its `times`.

    UnusableError if curl is missing; TornError if any byte that should be there is not: nothing is guessed.
    """
    end = _END.search(output)
    if end is None:
        message = f"the output of curl was cut: no end mark after {len(output)} bytes"
        raise TornError(message)
    exit_code = int(end[1])
    if exit_code == NOT_FOUND:
        message = "curl is missing: use an image or a host with curl >= 7.75"
        raise UnusableError(message)
    found: list[list[Transfer]] = [[] for _ in asks]
    reasons: dict[str, deque[str]] = defaultdict(deque)
    position = 0
    for record in _RECORD.finditer(output):
        number, transfer = _transfer(output, record, len(asks))
        spoken = output[position : record.start() - len(transfer.body)]
        _collect_reasons(spoken.decode("utf-8", "replace"), reasons)
        found[number].append(_with_reason(transfer, reasons[str(asks[number].target)]))
        position = record.end()
    _refuse_missing(found, asks, exit_code, output)
    return found


def _transfer(output: bytes, record: re.Match[bytes], asked: int) -> tuple[int, Transfer]:
    values = record[1].decode("utf-8", "replace").split("\t", len(_FIELDS) - 1)
    try:
        told = dict(zip(_FIELDS, values, strict=True))
        number = int((_ASKED.search(told["url_effective"]) or ("", "-1"))[1])
        size = int(told["size_download"])
        transfer = Transfer(
            exit_code=int(told["exitcode"]),
            http_status=int(told["http_code"]),
            time_connect=float(told["time_connect"]),
            time_total=float(told["time_total"]),
            local=_endpoint(told["local_ip"], told["local_port"]),
            remote=_endpoint(told["remote_ip"], told["remote_port"]),
            connections=int(told["num_connects"]),
            size=size,
            message=told["errormsg"],
            body=_body(output, record.start(), size),
        )
    except ValueError as error:
        message = f"a line of curl's output cannot be read ({error}): {record[0][:200]!r}"
        raise TornError(message) from error
    if not 0 <= number < asked:
        message = f"curl tells of a question nobody asked: {told['url_effective']}"
        raise TornError(message)
    return number, transfer


def _endpoint(address: str, port: str) -> str:
    return f"{address}:{port}" if address else ""


def _body(output: bytes, end: int, size: int) -> bytes:
    """The bytes right before the record. A long body came in several writes and may be mixed with others: left out."""
    if not 0 < size < 4096:  # noqa: PLR2004 - PIPE_BUF, and the least that stdio buffers in one piece is 1024 (musl)
        return b""
    return output[max(end - size, 0) : end]


def _collect_reasons(spoken: str, reasons: dict[str, deque[str]]) -> None:
    reason = ""
    for line in spoken.split("\n"):
        if found := _REASON.match(line):
            reason = found[1].strip()
        elif reason and (failed := _FAILED.match(line)):
            reasons[f"{failed[1]}:{failed[2]}"].append(reason)
            reason = ""


def _with_reason(transfer: Transfer, reasons: deque[str]) -> Transfer:
    if transfer.exit_code != COULD_NOT_CONNECT:
        return transfer
    if not reasons:
        message = f"curl did not say why it could not connect: {transfer.message}"
        raise TornError(message)
    return replace(transfer, reason=reasons.popleft())


def _refuse_missing(found: list[list[Transfer]], asks: Sequence[Ask], exit_code: int, output: bytes) -> None:
    got, want = sum(map(len, found)), sum(ask.times for ask in asks)
    if [len(transfers) for transfers in found] != [ask.times for ask in asks]:
        words = output[:300].decode("utf-8", "replace").strip()
        message = f"curl ended {exit_code} and told of {got} attempts, want {want}; its output begins: {words}"
        raise TornError(message)
