"""`hairpin rolling FROM TO`: exchange kube-proxy node by node on a lab, and report what breaks meanwhile."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import output
from hairpin.rolling_exchange import ExchangeRequest, RollingRun, describe_proxy
from hairpin.verb import CommandError
from probes.asking.continuous.clients import AskingPace
from reports.terminal import rolling as terminal
from topologies.common.errors import HairpinError
from topologies.lab import lab, sandbox
from topologies.lab.build import binaries
from topologies.lab.build.kubernetes import PACKAGED
from topologies.lab.build.program_files import report_version
from topologies.lab.guest import ipvs_support
from topologies.loading import overrides
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from hairpin.verb import Verbs
    from reports.analysis.rolling import RollingExchange
    from topologies.schema.topology import Topology

BROKE = 1
INTERRUPTED = 130
FILE = "rolling.json"
VERSION = re.compile(r"v?[0-9]+\.[0-9]+(\.[0-9]+)?")
MODES = tuple(mode.value for mode in ProxyMode)
DESCRIPTION = """Bring a lab up with FROM, then exchange kube-proxy node by node for TO, while every vantage opens
connections to a fixed set of cells and holds others. FROM and TO are VERSION/MODE, or parts of it:
1.20.2/iptables, nftables, 1.34.4, iptables/proxy.masquerade_all=true. The control plane and the kubelets keep the
version of FROM. Exit code 0: nothing broke; 1: a cell broke or a held connection was lost; 2: it could not be done."""


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("rolling", help=summary, description=DESCRIPTION)
    parser.add_argument("before", metavar="FROM")
    parser.add_argument("after", metavar="TO")
    parser.add_argument("--topology", "-t", default="lab-flannel", metavar="NAME|FILE", help="the lab to bring up")
    parser.add_argument(
        "--with", dest="overrides", action="append", default=[], metavar="PATH=VALUE", help="a key of both sides"
    )
    parser.add_argument(
        "--with-to", dest="after_overrides", action="append", default=[], metavar="PATH=VALUE", help="a key of TO"
    )
    parser.add_argument("--cleanup", action="store_true", help="run `kube-proxy --cleanup` of FROM on each node")
    parser.add_argument("--kube-proxy-bin", type=Path, metavar="FILE", help="the program of TO (default: the cache)")
    parser.add_argument("--kubernetes-bin", type=Path, metavar="DIR", help="the programs of FROM (default: the cache)")
    parser.add_argument("--every", type=_seconds, default=0.25, metavar="S", help="between two connections of a cell")
    parser.add_argument("--pause", type=_seconds, default=1.0, metavar="S", help="how long to watch each phase")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where observations are written")
    parser.add_argument("--all", action="store_true", help="list every broken cell")
    output.add_format(parser, output.FORMATS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Bring the lab up, exchange inside it, print the result; return 0, or 1 if something broke."""
    output.choose_format(options)
    shared, only_after = overrides.parse(options.overrides), overrides.parse(options.after_overrides)
    before, after = make_topologies(options.topology, options.before, options.after, shared, only_after)
    program = find_program(before, after, given=options.kube_proxy_bin, directory=options.kubernetes_bin)
    if not sandbox.is_inside(before.name):
        _enter(before, options)
    found = lab.find(before.name)
    if found is None:
        message = f"lab {before.name}: got a lab that is not up, want a running one. Try again"
        raise CommandError(message)
    pace = AskingPace(interval_s=options.every)
    request = ExchangeRequest(before, after, program, options.cleanup, options.pause, pace)
    folder = _make_folder(options.out)
    rolling = RollingRun(request, found, folder, _report, lambda known: _write(folder, known))
    _report(f"observations are in {folder}; if this is killed, remove the lab: {lab_down(before)}")
    return _conduct(rolling, options)


def make_topologies(
    name: str, before: str, after: str, shared: Mapping[str, object], only_after: Mapping[str, object]
) -> tuple[Topology, Topology]:
    """Return the topologies of FROM and TO, which differ in kube-proxy alone.

    Args:
        name: A topology's name or file.
        before: FROM, as `read_side` reads it.
        after: TO, likewise.
        shared: Overrides of both.
        only_after: Overrides of TO.

    Raises:
        TopologyError: A side is none.
        CommandError: A part of a side is unknown, a side needs a guest kernel, or more than kube-proxy differs.

    """
    first = {**shared, **read_side(before, "kubernetes")}
    second = {**first, **read_side(after, "proxy.version"), **only_after}
    sides = overrides.declared(name, first), overrides.declared(name, second)
    for topology in sides:
        _refuse(topology, name)
    given, changed = sides
    if different := {key for key, value in given if value != getattr(changed, key)} - {"proxy", "nodes"}:
        message = (
            f"sides of the exchange: got {', '.join(sorted(different))} that differ, want sides that differ in proxy"
        )
        raise CommandError(message)
    return sides


def read_side(text: str, version_key: str) -> dict[str, object]:
    """Return the overrides that one side stands for: `1.34.4/nftables`, or parts of it, or `PATH=VALUE`.

    >>> read_side("1.34.4/nftables", "kubernetes")
    {'kubernetes': '1.34.4', 'proxy.mode': 'nftables'}

    Raises:
        CommandError: A part is not a version, a mode or an override.

    """
    found: dict[str, object] = {}
    for part in text.split("/"):
        if VERSION.fullmatch(part):
            found[version_key] = part.removeprefix("v")
        elif part in MODES:
            found["proxy.mode"] = part
        elif "=" in part:
            found |= overrides.parse([part])
        else:
            message = f"side {text}: got {part!r}, want a version, a mode ({', '.join(MODES)}) or PATH=VALUE"
            raise CommandError(message)
    return found


def find_program(before: Topology, after: Topology, *, given: Path | None, directory: Path | None) -> Path:
    """Return the kube-proxy of TO.

    Args:
        before: The topology of FROM.
        after: The topology of TO.
        given: The program that the user named.
        directory: Where the user has the programs of FROM.

    Raises:
        BinariesError: It does not run.
        CommandError: There is none, or it is of another version.

    """
    version = after.proxy_version
    own = directory if version == before.kubernetes else None
    program = (given or (own or binaries.place(version, binaries.cache_dir())) / "kube-proxy").absolute()
    if version == before.kubernetes == PACKAGED and not given and not own:
        return program  # the lab builds it
    if not program.is_file():
        get = f"Run `hairpin lab get {version} kube-proxy`, or give --kube-proxy-bin FILE"
        message = f"kube-proxy {version} of TO: {program}: got no such file, want the program. {get}"
        raise CommandError(message)
    if (reported := report_version(program)) != version:
        message = f"version of {program}: got {reported}, want {version} as TO declares. Change one of the two"
        raise CommandError(message)
    return program


def lab_down(topology: Topology) -> str:
    """Return the command that removes the lab."""
    return f"hairpin lab down {topology.name}"


def _refuse(topology: Topology, name: str) -> None:
    if topology.lab is None:
        message = f"topology {name}: got a cluster that is no lab, want one with `lab`, such as lab-flannel"
        raise CommandError(message)
    if not topology.proxy.is_kube_proxy:
        message = f"topology {name}: proxy.kind: got {topology.proxy.kind}, want kube-proxy, which is exchanged"
        raise CommandError(message)
    if because := ipvs_support.reason_for_guest(topology):
        message = (
            f"lab {topology.name} with {describe_proxy(topology)}: got workers in a guest kernel ({because}), "
            "want them on this machine's kernel. Choose another mode"
        )
        raise CommandError(message)


def _enter(before: Topology, options: argparse.Namespace) -> NoReturn:
    """Bring the lab up and become the same command inside it."""
    lab.up(before, kubernetes_bin=options.kubernetes_bin, progress=_report)
    sandbox.reenter(before.name, [sys.executable, "-m", "hairpin", *sys.argv[1:]])
    raise AssertionError  # the process has become another


def _conduct(rolling: RollingRun, options: argparse.Namespace) -> int:
    """Conduct the exchange; one that ends early is printed as far as it came.

    Raises:
        CommandError: It failed, or measured nothing.

    """
    down = lab_down(rolling.request.before)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        found = rolling.conduct()
    except KeyboardInterrupt:
        output.emit(options, _render(rolling.report(), options))
        _report(f"interrupted at {rolling.position}. Observations: {rolling.folder}. Remove the lab: {down}")
        return INTERRUPTED
    except HairpinError as error:
        if rolling.steps:
            output.emit(options, _render(rolling.report(), options))
        message = f"exchange at {rolling.position}: {error}. Observations: {rolling.folder}. Remove the lab: {down}"
        raise CommandError(message) from error
    output.emit(options, _render(found, options))
    if missing := found.unmeasured:
        message = f"exchange of lab {found.topology}: {missing}, want attempts in every phase. See {rolling.folder}"
        raise CommandError(message)
    _report(f"{rolling.folder / FILE}; lab {found.topology} runs {found.after} now. Remove it: {down}")
    return BROKE if found.broke else 0


def _render(found: RollingExchange, options: argparse.Namespace) -> str:
    if output.choose_format(options) == "json":
        return found.model_dump_json(indent=1) + "\n"
    if output.choose_format(options) == "html":
        from reports.html import rolling as page  # noqa: PLC0415 - jinja2 takes 0.1 s to import, text does without

        return page.render(found)
    width, color = output.measure_width(), output.has_color(options)
    return terminal.render(found, width, color=color, everything=options.all)


def _write(folder: Path, found: RollingExchange) -> None:
    fresh = folder / f".{FILE}.new"
    fresh.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    fresh.replace(folder / FILE)


def _make_folder(out: Path) -> Path:
    folder = out.absolute() / f"rolling-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        message = f"--out: {folder} cannot be created: {error.strerror or error}. Give another folder"
        raise CommandError(message) from error
    return folder


def _seconds(text: str) -> float:
    """Return a number of seconds. ArgumentTypeError if it is none, or out of range."""
    least, most = 0.05, 60.0
    with suppress(ValueError):
        if least <= (value := float(text)) <= most:
            return value
    message = f"got {text[:20]!r}, want seconds between {least:g} and {most:g}"
    raise argparse.ArgumentTypeError(message)


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
