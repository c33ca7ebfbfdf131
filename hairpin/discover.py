"""`hairpin discover`: write a topology file for a cluster, with the source of every value."""

from __future__ import annotations

import datetime as dt
import re
import secrets
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.verb import CommandError
from probes.asking.vantages.pod import PodVantage
from topologies.cluster import client as clusters
from topologies.cluster.api import again, context_name
from topologies.discovery import writing
from topologies.discovery.discover import DiscoveryRequest, discover
from topologies.discovery.nodes import USUAL
from topologies.discovery.probe_pods import ProbeSettings
from topologies.loading.load import TopologyError, parse
from topologies.schema import limits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from kubernetes import client

    from hairpin.verb import Verbs
    from topologies.discovery.discover import Discovery
    from topologies.discovery.probe_pods import ExecInPod

INCOMPLETE = 1
SUFFIXES = (".yaml", ".yml")
DESCRIPTION = (
    "Write a topology file for a cluster. Values come from the API and from two short-lived, unprivileged pods on a "
    "few nodes; each has its source in a comment. What cannot be read is written as `unknown`. "
    "Exit code 1: the file was written, but it needs a value that was not found."
)


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("discover", help=summary, description=DESCRIPTION)
    add_options(parser)
    parser.add_argument("--output", "-o", type=Path, metavar="FILE", help="the file (default: standard output)")
    parser.add_argument("--force", action="store_true", help="overwrite the file")
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `check` has too."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig of the cluster (default: KUBECONFIG)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--image", metavar="IMAGE", help="the image of all pods, see docs/topology.md", default="")
    parser.add_argument("--namespace", metavar="NAME", default="", help="run the probe pods in this namespace")
    parser.add_argument("--nodes", type=int, default=USUAL, metavar="N", help=f"nodes to declare (default {USUAL})")
    parser.add_argument("--no-pods", action="store_true", help="read the API only; more stays unknown")
    parser.add_argument("--name", default="", help="the topology's name (default: the context's)")


def run(options: argparse.Namespace) -> int:
    """Discover and write the file; return 0, or 1 if it is not complete."""
    refuse_options(options)
    if options.output:
        _refuse_output(options.output, force=options.force)
    text = find(options)
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(options.output, text)
        sys.stderr.write(f"written: {options.output}\n")
    return report_complaints(text, str(options.output or "the topology"))


def find(options: argparse.Namespace) -> str:
    """Return the topology file of the cluster that the options name; CommandError if it cannot be read."""
    try:
        with _terminated_as_interrupted():
            api = clusters.connect(options.kubeconfig, options.context)
            pods = ProbeSettings("" if options.no_pods else secrets.token_hex(4), options.image, options.namespace)
            discovery = discover(api, DiscoveryRequest(options.nodes, pods), execute_with(api), _progress)
    except clusters.ClusterError as error:
        raise CommandError(str(error)) from error
    _report(discovery)
    name = options.name or _topology_name(options)
    return writing.render(discovery, name, api.configuration.host, f"{dt.datetime.now(dt.UTC):%Y-%m-%d}")


def execute_with(api: client.ApiClient) -> ExecInPod:
    """Return the function that runs a command in a pod by exec."""

    def execute(namespace: str, pod: str, command: Sequence[str], timeout_s: float) -> bytes:
        vantage = PodVantage(lambda: again(api), namespace, pod, "agnhost")
        return vantage.run(command, "", timeout_s).stdout

    return execute


def report_complaints(text: str, where: str) -> int:
    """Print what the loader refuses in the file; return the exit code."""
    try:
        parse(text, where)
    except TopologyError as error:
        sys.stderr.write(f"not complete: {error}\n")
        return INCOMPLETE
    return 0


def refuse_options(options: argparse.Namespace) -> None:
    if not 1 <= options.nodes <= limits.NODES:
        message = f"--nodes: got {options.nodes}, want a number from 1 to {limits.NODES}"
        raise CommandError(message)


def _refuse_output(path: Path, *, force: bool) -> None:
    """Raise CommandError before anything is read if the file cannot be written."""
    if path.suffix not in SUFFIXES:
        message = f"--output: got {path}, want a name that ends in .yaml"
    elif path.is_dir() or not path.parent.is_dir():
        message = f"--output: {path}: got no folder {path.parent}, want one that exists"
    elif path.exists() and not force:
        message = f"--output: {path}: got a file that exists, want a new name. Give --force to overwrite it"
    else:
        return
    raise CommandError(message)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise CommandError(message) from error


def _topology_name(options: argparse.Namespace) -> str:
    """Return the context's name as a DNS label."""
    words = re.findall(r"[a-z0-9]+", context_name(options.kubeconfig, options.context).lower())
    return "-".join(words)[:40].strip("-") or "discovered"


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _report(discovery: Discovery) -> None:
    """Print what was found, what is unknown, and which rights were missing."""
    known, unknown = writing.count(discovery)
    named = f" ({', '.join(unknown)})" if unknown else ""
    _progress(f"found: {known} values; unknown: {len(unknown)}{named}")
    for one in discovery.unread:
        _progress(f"not readable: {one.what}: {one.why}. Unknown without it: {one.leaves}")
    if discovery.replacement:
        _progress(f"NOT kube-proxy: {discovery.replacement} serves here; predictions follow kube-proxy's rules")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Make SIGTERM an interruption in the block, so that the probe pods are removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
