r"""Compose one parallel curl batch as a shell script and its standard input. Pure: it starts nothing.

`transfers.py` reads what the batch prints. Needs curl >= 7.75 (`exitcode`, `errormsg`, `parallel-immediate`), `sh`,
`head -c`, `grep -a -E`, `tr` (dash, busybox and bash go with any of them) and /dev/fd.

**One connection answers all questions.** Each transfer opens its own TCP connection and pipelines three GETs:
`/echo?msg=LABEL` is curl's request; `GET /clientip` and `GET /hostname` are its "body". `Content-Length` is removed, so
the server reads that body as the next requests. The last request carries `Connection: close`, so no transfer can reuse
the connection. With `ignore-content-length` curl takes all bytes until the end as one body: `LABELHTTP/1.1 200
OK\r\n...\r\n\r\n10.244.1.7:46586HTTP/1.1 200 OK\r\n...\r\n\r\nweb-a` (agnhost netexec).

**Each body names its transfer.** The label holds a nonce that is drawn for each ask, the ask's number and the attempt's
number. `transfers.py` binds a body to its record by this label alone.

**What is no HTTP is read too** (`http0.9`). A connection can come back to its own client: a NAT on the way gives it the
port it goes to as its source port, and another one turns its two addresses around (TCP simultaneous open, RFC 9293,
3.5). Then curl reads its own request, which shows nothing of the Service: `transfers.py`.

**Two streams, one pipe each.** Every small write of curl would be a message of its own through shim, kubelet and API
server. curl's reports (verbose lines and `write-out` records) go through its buffered stdout (`--stderr -`) to `grep`,
which passes only the lines that `transfers.py` reads. The bodies go to a second pipe, because a container's root may be
read-only and a temporary file impossible. The shell collects that pipe and prints it at the end.

**Nothing a server sends can pass for a report.** Every report carries a mark that is drawn for each batch and never
sent to a server. Verbose lines for response headers begin with `< ` (curl src/tool_cb_dbg.c).

**Every size is bounded.** curl >= 8.4 ends a transfer at `max-filesize`; an older one regards that only for a
`Content-Length`. So `head -c` ends the pipe of the bodies, and curl every transfer that still writes. libcurl bounds a
header line (100 KB) and an error message (256 bytes). `vantages/base.py` bounds what is read back.

**Environment.** `LC_ALL=C`, because the reasons of failed connections are read as English. `-q` and `noproxy="*"`
switch off .curlrc and proxies. `command` skips shell functions and aliases. Login banners before the first mark are
ignored.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topologies.frontends import Target

PARALLEL_MAX = 300  # curl's own limit for --parallel-max
ANSWER_TIME = 8.0  # seconds from connected to answered: a busy backend is slow, only a silent one hangs
# Every connection of a batch has a port of its own. The kernel would give one port to several connections that go to
# different addresses, and ipvs distinguishes the replies of one backend by the client's address and port alone.
PORTS = range(33000, 61000)  # above the NodePorts
SPARE = 4  # ports of a cell beyond its sample: some are taken by others, and curl tries the next
SHORT = 1024  # bytes; curl writes a shorter body in one piece (musl buffers so many, glibc more). No echo is longer
BODIES_SLACK = 64 * 1024  # bytes of bodies that a batch may have beyond SHORT for each attempt
_BODY_MAX = SHORT - 1  # bytes; where curl >= 8.4 ends a transfer, so that every body is written in one piece

# head: a v4 websocket cannot half-close stdin, so exactly N bytes are read. 3: reports; 4: bodies. The shell would drop
# their NULs, hence tr, and a last newline, hence the dot. One line: csh cannot quote a newline.
_SCRIPT = (
    "LC_ALL=C; export LC_ALL; unset GREP_OPTIONS; echo; echo {mark}-begin; "
    "for tool in curl head grep tr; do "
    "command -v $tool >/dev/null || {{ echo {mark}-missing $tool; exit 127; }}; done; "
    "command head -c {size} | {{ bodies=$({{ {{ command curl -q -s -v -Z --parallel-immediate "
    "--parallel-max {parallel} --stderr - --no-progress-meter -K - ; code=$?; echo; echo {mark}-end $code; }} 2>&1 | "
    "command grep -a -E '^({mark}|curl: |(\\[[^]]*\\] )?\\* (connect to|Immediate connect fail|Failed to connect))' "
    ">&3; }} 4>&1 | command head -c {bodies} | command tr '\\000' '?'; echo .); "
    "printf '{mark}-bodies\\n%s\\n{mark}-done\\n' \"$bodies\"; }} 3>&1"
)
FIELDS = (
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
_WRITE_OUT = "\\n{mark}\\t" + "\\t".join(f"%{{{name}}}" for name in FIELDS) + "\\n"
_SECTION = """\
url="http://{target}/echo?msg={nonce}.{number}.[1-{times}]"
request="GET"
http1.1
http0.9
raw
ignore-content-length
max-filesize={body_max}
noproxy="*"
ipv4
header="Content-Length:"
header="Content-Type:"
header="Accept:"
header="User-Agent:"
data-binary="{pipelined}"
local-port="{ports}"
connect-timeout={connect_timeout:g}
max-time={max_time:g}
output="/dev/fd/4"
write-out="{write_out}"
"""
_PIPELINED = (
    "GET /clientip HTTP/1.1\\r\\nHost: e\\r\\n\\r\\n"
    "GET /hostname HTTP/1.1\\r\\nHost: e\\r\\nConnection: close\\r\\n\\r\\n"
)


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
        """Return the first of so many ports in a row; ValueError if there are not so many."""
        if count > len(PORTS):
            message = f"{count} ports are more than there are for one batch"
            raise ValueError(message)
        with self._lock:
            start = self._next if self._next + count <= len(PORTS) else 0
            self._next = start + count
            return PORTS[start]


@dataclass(frozen=True, slots=True)
class Batch:
    """A command that asks everything at once, and what it reads from its standard input (ASCII).

    `mark` begins every line that the batch itself prints.
    """

    command: tuple[str, ...]
    stdin: str
    mark: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One connection as curl reports it.

    Times in seconds from the start, 0 if never reached; `local`, `remote`: address:port or empty; `reason`: the
    system's words for a connection that failed (exit 7); `body`: the bytes after the label and the header that follows
    it, empty if the server did not repeat the label; `lost`: why the transfer cannot be read, or empty; `quote`: what a
    server sent that did not repeat the label, for messages only. `http_status`: 0 if what came is no HTTP.
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
    lost: str = ""
    quote: bytes = b""


def compose(
    asks: Sequence[Ask],
    connect_timeout: float,
    ports: Ports | None = None,
    *,
    parallel: int = PARALLEL_MAX,
) -> Batch:
    """Return the batch that asks all of `asks` (at least one) at once.

    Args:
        asks: The targets, each with its number of connections.
        connect_timeout: Seconds.
        ports: The client ports of the host that runs the batch.
        parallel: At most so many connections at a time. The caller keeps the silent ones below that.

    """
    mark = f"@@hairpin-{secrets.token_hex(8)}"
    stdin = "next\n".join(
        _SECTION.format(
            target=ask.target,
            pipelined=_PIPELINED,
            nonce=secrets.token_hex(8),
            number=number,
            ports=span,
            times=ask.times,
            connect_timeout=connect_timeout,
            max_time=connect_timeout + ANSWER_TIME,
            body_max=_BODY_MAX,
            write_out=_WRITE_OUT.replace("{mark}", mark),
        )
        for number, (ask, span) in enumerate(zip(asks, _spans(asks, ports or Ports()), strict=True))
    )
    script = _SCRIPT.format(size=len(stdin), parallel=parallel, mark=mark, bodies=bodies_max(asks))
    return Batch(("sh", "-c", script), stdin, mark)


def bodies_max(asks: Sequence[Ask]) -> int:
    """Return how many bytes of bodies the vantage collects: more than echoes can have."""
    return SHORT * sum(ask.times for ask in asks) + BODIES_SLACK


def _spans(asks: Sequence[Ask], ports: Ports) -> list[str]:
    """Return a range of ports for each ask, disjoint."""
    widths = [ask.times + SPARE for ask in asks]
    start = ports.take(sum(widths))
    return [f"{start + end - width}-{start + end - 1}" for width, end in zip(widths, accumulate(widths), strict=True)]
