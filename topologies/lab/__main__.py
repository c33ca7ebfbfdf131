"""`hairpin lab`, the same as `python -m topologies.lab`: create a lab, inspect it, run programs inside, remove it."""

# ruff: noqa: T201 - printing is what a command does

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.common.closed_output import CLOSED_PIPE, discard_output
from topologies.common.errors import HairpinError
from topologies.lab import lab
from topologies.lab.build import binaries, cluster_dns, container_runtime
from topologies.lab.build.kubernetes import NEEDED
from topologies.lab.given_programs import GivenPrograms
from topologies.lab.network import plan
from topologies.lab.ownership import lab_name
from topologies.lab.sandbox import Sandbox, SandboxError, locate
from topologies.lab.state import State, read
from topologies.loading import overrides
from topologies.loading.load import SUFFIXES, load
from topologies.schema.topology import Topology, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT = "lab-flannel"
WITH_RUNTIME = (*NEEDED, container_runtime.NAME)
GETTABLE = (*WITH_RUNTIME, cluster_dns.NAME)


def parser(prog: str = "python -m topologies.lab") -> argparse.ArgumentParser:
    """Return the command line, with the name by which it was called."""
    main = argparse.ArgumentParser(prog=prog, description="Create a lab, inspect it, run programs inside, remove it.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what in (
        ("get", "VERSION [PROGRAM ...]: build Kubernetes' programs of a version into the cache"),
        ("up", "create the lab (or find it running)"),
        ("down", "remove it, in whatever state it is"),
        ("status", "what runs: hosts, addresses, files"),
        ("exec", "[HOST] -- COMMAND: run a program of this machine on a host (default: where the API is reached)"),
        ("shell", "HOST: a shell on a host"),
        ("kubectl", "kubectl, as administrator"),
        ("logs", "[COMPONENT]: the logs' names, or those logs"),
    ):
        command = commands.add_parser(name, help=what, add_help=name != "kubectl")
        if name == "get":
            _add_get(command)
            continue
        command.add_argument(
            "--topology", "-t", default=os.environ.get("HAIRPIN_TOPOLOGY", DEFAULT), metavar="NAME_OR_FILE"
        )
        if name == "up":
            _add_up(command)
        elif name == "shell":
            command.add_argument("host")
        elif name == "logs":
            command.add_argument("component", nargs="?", default="")
        elif name in {"exec", "kubectl"}:
            command.add_argument("rest", nargs=argparse.REMAINDER)
        elif name == "down":
            command.add_argument("name", nargs="?", help="a lab's name, instead of its topology")
    return main


def _add_get(command: argparse.ArgumentParser) -> None:
    command.add_argument("version", metavar="VERSION", help="a release, such as 1.34.4")
    command.add_argument(
        "programs", nargs="*", metavar="PROGRAM", help=f"{', '.join(GETTABLE)}; default: all but coredns"
    )


def _add_up(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--kubernetes-bin",
        type=Path,
        metavar="DIR",
        default=os.environ.get("HAIRPIN_KUBERNETES_BIN"),
        help="kube-apiserver, kubelet and so on; the topology's version follows them",
    )
    command.add_argument(
        "--kube-proxy-bin",
        action="append",
        default=[],
        metavar="[NODE=]FILE",
        help="another kube-proxy, for all nodes or one; the topology's proxy.version follows it",
    )
    command.add_argument(
        "--with", dest="overrides", action="append", default=[], metavar="PATH=VALUE", help="mode=nftables ..."
    )


def name_of(given: str) -> str:
    """Return a lab's name: the topology's, or `given` if a lab of that name exists (its topology may be gone).

    Raises:
        OwnershipError: `given` is no topology file and cannot be a lab's name.

    """
    if Path(given).suffix in SUFFIXES:
        return load(given).name
    return given if locate(lab_name(given)).root.exists() else load(given).name


def get(options: argparse.Namespace) -> None:
    """Build the programs of a version into the cache, or find them there."""
    version = read_version(options.version)
    programs = _requested(options.programs, version)
    began = time.monotonic()
    for path in _made(version, programs):
        print(f"{path.name:24} {path.stat().st_size / 1e6:6.1f} MB  {path}")
    print(f"Kubernetes {version}: {len(programs)} programs, {time.monotonic() - began:.0f} s")


def _requested(names: Sequence[str], version: Version) -> tuple[str, ...]:
    """Return the programs that the user named; for `all` also a containerd, if this version does without Debian's.

    CoreDNS is no part of `all`: few labs have cluster DNS.
    """
    if unknown := sorted(set(names) - {*GETTABLE, "all"}):
        message = f"hairpin lab get: got {', '.join(unknown)}, want all or some of {', '.join(GETTABLE)}"
        raise SandboxError(message)
    if set(names) - {"all"}:
        return tuple(dict.fromkeys(name for name in names if name != "all"))
    return NEEDED if container_runtime.installed_serves(version) else WITH_RUNTIME


def _made(version: Version, programs: Sequence[str]) -> Iterator[Path]:
    """Build programs into the cache, and yield the path of each."""
    cache = binaries.cache_dir()
    ours = [name for name in programs if name in NEEDED]
    if ours:
        kept = binaries.make(version, ours, cache, _print)
        yield from (kept / name for name in ours)
    if container_runtime.NAME in programs:
        made = container_runtime.make(cache, _print)
        yield from (made / name for name in container_runtime.PROGRAMS)
    if cluster_dns.NAME in programs:
        yield cluster_dns.release_for(version).make(cache, _print)


def _print(line: str) -> None:
    print(line, flush=True)


def read_version(text: str) -> Version:
    """Return the release that the user gave.

    Raises:
        SandboxError: It is none.

    """
    try:
        return Version.parse(text)
    except ValueError as error:
        message = f"hairpin lab get: {error}"
        raise SandboxError(message) from error


def up(options: argparse.Namespace) -> None:
    """Create the lab, or find it running."""
    given = GivenPrograms.parse(options.kubernetes_bin, options.kube_proxy_bin)
    changes = given.follow(options.topology, overrides.parse(options.overrides))
    topology = overrides.declared(options.topology, changes)
    made = lab.up(
        topology,
        kubernetes_bin=options.kubernetes_bin,
        kube_proxy_bin=options.kube_proxy_bin,
        progress=lambda line: print(line, flush=True),
    )
    print(f"lab {made.name} is up; kubeconfig {made.kubeconfig}, from inside: hairpin lab exec -- COMMAND")


def down(options: argparse.Namespace) -> None:
    """Remove the lab and everything in it."""
    name = name_of(options.topology) if options.name is None else lab_name(options.name)
    print(f"lab {name} is gone" if lab.down(name) else f"lab {name} was not up")


def status(options: argparse.Namespace) -> None:
    """Print whether the lab is up, and its files and hosts; exit with 3 if it is not up."""
    name = name_of(options.topology)
    found = lab.find(name)
    print(f"running: {', '.join(lab.running()) or 'none'}")
    if found is None:
        print(f"lab {name} is not up")
        sys.exit(3)
    print(f"lab {name}\n  state       {found.state}\n  kubeconfig  {found.kubeconfig}\n  ssh key     {found.ssh_key}")
    print(f"  known hosts {found.known_hosts}")
    state = State(found.state)
    topology = Topology.model_validate_json(state.topology.read_text())
    print(f"  kubernetes  {topology.kubernetes}")
    runs = describe_nodes(topology, read(state.record) or {})
    for host in plan.fabric(topology):
        print(f"  host        {host.name:8} {host.address!s:15} {runs.get(host.name, '')}".rstrip())


def describe_nodes(topology: Topology, record: Mapping[str, Any]) -> dict[str, str]:
    """Return what each node runs, with the versions that the programs have reported, by the node's name."""
    proxies, known = record.get("proxies", {}), record.get("versions", {})
    common = f", kubelet {known['kubelet']}, {known['runtime']}" if known else ""
    if topology.lab and topology.lab.data_plane:
        return {node.name: f"{' '.join(topology.lab.data_plane)}{common}" for node in topology.nodes}
    return {
        node.name: f"kube-proxy {proxies[node.name][1]} {topology.proxy_of(node.name).mode}{common}"
        for node in topology.nodes
        if node.name in proxies
    }


def execute(options: argparse.Namespace) -> None:
    """Become a command of the machine inside the lab, on the host named first, if one is."""
    host, argv = split(options.rest)
    Sandbox.find(name_of(options.topology)).execute(host, argv)


def shell(options: argparse.Namespace) -> None:
    """Become a shell on a host of the lab."""
    Sandbox.find(name_of(options.topology)).execute(options.host, [os.environ.get("SHELL", "/bin/sh")])


def kubectl(options: argparse.Namespace) -> None:
    """Become kubectl on the control plane's host."""
    Sandbox.find(name_of(options.topology)).execute(
        plan.CONTROL_PLANE, ["kubectl", *options.rest[options.rest[:1] == ["--"] :]]
    )


def logs(options: argparse.Namespace) -> None:
    """List the lab's logs with their sizes in bytes, or print those of one component."""
    name = name_of(options.topology)
    state = locate(name)
    for log in sorted(state.logs.glob("*.log")):
        if not options.component:
            print(f"{log.stat().st_size:9} {log.name.removesuffix('.log')}")
        elif options.component in log.name:
            print(f"==> {log} <==\n{log.read_text(errors='replace')}")


def arguments(given: Sequence[str]) -> list[str]:
    """Return the command line, with `--` before the arguments that `kubectl [-t NAME]` passes on to kubectl."""
    command, *rest = given or [""]
    if command != "kubectl":
        return list(given)
    own = 2 if rest[:1] in (["-t"], ["--topology"]) else int("".join(rest[:1]).startswith("--topology="))
    return [command, *rest[:own], "--", *rest[own:]]


def split(rest: Sequence[str]) -> tuple[str, list[str]]:
    """Return the host and the command of `[HOST] -- COMMAND ...`; the host is the control plane's by default."""
    rest = list(rest)
    before, argv = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else ([], rest)
    if len(before) > 1 or not argv:
        message = f"hairpin lab exec: got {' '.join([*before, '--', *argv])!r}, want [HOST] -- COMMAND ..."
        raise SandboxError(message)
    return (before[0] if before else plan.CONTROL_PLANE), argv


COMMANDS = {
    "get": get,
    "up": up,
    "down": down,
    "status": status,
    "exec": execute,
    "shell": shell,
    "kubectl": kubectl,
    "logs": logs,
}


def main(argv: Sequence[str] | None = None, prog: str = "python -m topologies.lab") -> None:
    """Run one command. A HairpinError is printed without a traceback; the exit code is 1."""
    options = parser(prog).parse_args(arguments(sys.argv[1:] if argv is None else argv))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an `up` that is interrupted cleans up
    try:
        COMMANDS[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        sys.exit(CLOSED_PIPE)
    except HairpinError as error:
        sys.exit(f"{error}")
    except PermissionError as error:
        sys.exit(f"{error.filename}: {error.strerror}: a lab and its state belong to root: try again with sudo")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
