r"""One parallel curl batch: composed as text, read back as transfers. Pure; nothing here talks to anything.

**One connection tells both answers.** Each transfer opens its own TCP connection and pipelines two GETs through it:
`/clientip` as curl's request and `GET /hostname` as its "body" (`Content-Length` removed, so the server reads it as
the next request). The second says `Connection: close`, so the server ends the connection and no transfer can reuse it.
With `ignore-content-length` curl takes all bytes until the end as one body: `10.244.1.7:46586HTTP/1.1 200
OK\r\n…\r\n\r\nweb-a` (agnhost netexec).

**Two streams, one pipe each**, for every small write of curl would be a message of its own through shim, kubelet and
API server. What curl says goes to its buffered stdout (`--stderr -`), of which `grep` lets the lines through that are
read here. The bodies go to another pipe (no temporary file: a container's root may be read-only), which the shell
collects and prints in the end.

**Which body belongs to which transfer**: every transfer has an `output` of its own, which curl closes (one write, if
the body is short) right before it prints the transfer's `write-out`. So bodies and records come in one order, and
`size_download` tells where a body ends. A long body is written in pieces, between those of others: then nothing can be
cut (`MixedError`), and whoever asked must ask for the long ones alone, one after the other.

**Why a connection failed** is not in `%{errormsg}`: curl 7.88 says "Couldn't connect to server" for a refusal and for
an ICMP unreachable alike (exit 7). The system's words stand only in `-v` lines: `connect to A port P failed:
Connection refused` or `Immediate connect fail for A: No route to host`, each followed at once by `Failed to connect to
A port P after …`. They do not name the transfer, but are printed in the order in which transfers to the same address
and port end: the n-th reason of a target belongs to its n-th record with exit 7.

Needs curl >= 7.75 (`exitcode`, `errormsg`, `parallel-immediate`), `sh`, `head -c` and `grep -E` (dash, busybox and
bash do), and /dev/fd.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

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
SHORT = 1024  # bytes; a body below that is written in one piece (musl buffers so many, glibc more)

# head: a v4 websocket cannot half-close stdin, so exactly N bytes are read. 3: what is said; 4: the bodies, of which
# the shell would drop a newline at the end, hence the dot. The last line of what is said tells the exit code of curl.
_SCRIPT = (
    "head -c {size} | {{ bodies=$({{ {{ curl -q -s -v -Z --parallel-immediate --parallel-max {parallel} --stderr - "
    "--no-progress-meter -K - ; code=$?; echo; echo {mark}-end $code; }} 2>&1 | grep -E '{said}' >&3; }} 4>&1; "
    "echo .); printf '{mark}-bodies\\n%s' \"$bodies\"; }} 3>&1"
)
_SAID = f"^({MARK}|curl: |\\* (connect to |Immediate connect fail|Failed to connect))"
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
_WRITE_OUT = f"\\n{MARK}\\t" + "\\t".join(f"%{{{name}}}" for name in _FIELDS) + "\\n"
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
output="/dev/fd/4"
write-out="{write_out}"
"""
_RECORD = re.compile(rb"^" + MARK.encode() + rb"\t([^\n]*)\n", re.MULTILINE)
_END = re.compile(
    rb"^" + MARK.encode() + rb"-end (\d+)\n" + MARK.encode() + rb"-bodies\n(.*)\.\Z", re.DOTALL | re.MULTILINE
)
_ASKED = re.compile(r"/clientip\?(\d+)\.\d+$")
_REASON = re.compile(r"\* (?:connect to .* failed|Immediate connect fail for [^:]*): (.+)")
_FAILED = re.compile(r"\* Failed to connect to (\S+) port (\d+)")


@dataclass(frozen=True, slots=True)
class Ask:
    """Open `times` fresh connections to `target`."""

    target: Target
    times: int = 1


class Ports:
    """The client ports of one host, handed out in turn, so that batches that are under way together share none.

    Whoever asks from the same host shares one of these. The first port is drawn, since other runs may ask from there.
    """

    def __init__(self) -> None:
        self._next = secrets.randbelow(len(PORTS))
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        """The first of so many ports in a row; ValueError if there are not so many."""
        if count > len(PORTS):
            message = f"{count} ports are more than there are for one batch"
            raise ValueError(message)
        with self._lock:
            start = self._next if self._next + count <= len(PORTS) else 0
            self._next = start + count
            return PORTS[start]


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


class MixedError(Exception):
    """Answers too long for an echo, written in pieces, mixed up the bodies of a batch. `asks`: whose they are."""

    def __init__(self, asks: frozenset[int]) -> None:
        super().__init__(f"answers of {SHORT} bytes or more have mixed up the bodies of a batch")
        self.asks = asks


def compose(
    asks: Sequence[Ask], connect_timeout: float, ports: Ports | None = None, *, parallel: int = PARALLEL_MAX
) -> Batch:
    """The batch that asks all of `asks` (at least one) at once; `connect_timeout` in seconds; `ports` of its host.

    At most `parallel` connections are open at a time (PARALLEL_MAX is curl's own limit), so whoever composes keeps the
    silent ones below that.
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
        for number, (ask, ports) in enumerate(zip(asks, _ports(asks, ports or Ports()), strict=True))
    )
    script = _SCRIPT.format(size=len(stdin), parallel=parallel, mark=MARK, said=_SAID)
    return Batch(("sh", "-c", script), stdin)


def _ports(asks: Sequence[Ask], ports: Ports) -> list[str]:
    """A range of ports for each ask, disjoint."""
    widths = [ask.times + SPARE for ask in asks]
    start = ports.take(sum(widths))
    return [f"{start + end - width}-{start + end - 1}" for width, end in zip(widths, accumulate(widths), strict=True)]


def read(output: bytes, asks: Sequence[Ask], *, parallel: int = PARALLEL_MAX) -> list[list[Transfer]]:
    """The transfers of each ask, in the order of `asks`, each as many as its `times`.

    `parallel` as composed. UnusableError if curl is missing; TornError if any byte that should be there is not;
    MixedError if they are all there and cannot be told apart: nothing is guessed.
    """
    end = _END.search(output)
    if end is None:
        message = f"the output of curl was cut: no end mark after {len(output)} bytes"
        raise TornError(message)
    exit_code, bodies = int(end[1]), end[2]
    if exit_code == NOT_FOUND:
        message = "curl is missing: use an image or a host with curl >= 7.75"
        raise UnusableError(message)
    found: list[list[Transfer]] = [[] for _ in asks]
    reasons: dict[str, deque[str]] = defaultdict(deque)
    said = cut = 0
    for record in _RECORD.finditer(output, 0, end.start()):
        number, transfer = _transfer(record, len(asks))
        _collect_reasons(output[said : record.start()].decode("utf-8", "replace"), reasons)
        body = bodies[cut : cut + transfer.size]
        found[number].append(replace(transfer, body=body, reason=_reason(transfer, reasons[str(asks[number].target)])))
        said, cut = record.end(), cut + transfer.size
    _refuse_missing(found, asks, exit_code, output)
    if cut != len(bodies):
        message = f"the bodies of curl's answers have {len(bodies)} bytes, want {cut}"
        raise TornError(message)
    long = frozenset(n for n, transfers in enumerate(found) if any(one.size >= SHORT for one in transfers))
    if long and parallel > 1:
        raise MixedError(long)
    return found


def _transfer(record: re.Match[bytes], asked: int) -> tuple[int, Transfer]:
    values = record[1].decode("utf-8", "replace").split("\t", len(_FIELDS) - 1)
    try:
        told = dict(zip(_FIELDS, values, strict=True))
        number = int((_ASKED.search(told["url_effective"]) or ("", "-1"))[1])
        transfer = Transfer(
            exit_code=int(told["exitcode"]),
            http_status=int(told["http_code"]),
            time_connect=float(told["time_connect"]),
            time_total=float(told["time_total"]),
            local=_endpoint(told["local_ip"], told["local_port"]),
            remote=_endpoint(told["remote_ip"], told["remote_port"]),
            connections=int(told["num_connects"]),
            size=int(told["size_download"]),
            message=told["errormsg"],
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


def _collect_reasons(spoken: str, reasons: dict[str, deque[str]]) -> None:
    reason = ""
    for line in spoken.split("\n"):
        if found := _REASON.match(line):
            reason = found[1].strip()
        elif reason and (failed := _FAILED.match(line)):
            reasons[f"{failed[1]}:{failed[2]}"].append(reason)
            reason = ""


def _reason(transfer: Transfer, reasons: deque[str]) -> str:
    if transfer.exit_code != COULD_NOT_CONNECT:
        return ""
    if not reasons:
        message = f"curl did not say why it could not connect: {transfer.message}"
        raise TornError(message)
    return reasons.popleft()


def _refuse_missing(found: list[list[Transfer]], asks: Sequence[Ask], exit_code: int, output: bytes) -> None:
    got, want = sum(map(len, found)), sum(ask.times for ask in asks)
    if [len(transfers) for transfers in found] != [ask.times for ask in asks]:
        words = output[:300].decode("utf-8", "replace").strip()
        message = f"curl ended {exit_code} and told of {got} attempts, want {want}; its output begins: {words}"
        raise TornError(message)
