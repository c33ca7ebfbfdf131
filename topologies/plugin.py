"""pytest's side of the topologies: `--topology` and where its cluster is; a lab topology puts pytest inside the lab."""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from topologies.cluster.client import ClusterError
from topologies.common.errors import HairpinError
from topologies.loading.load import names
from topologies.loading.overrides import parse, read
from topologies.schema.topology import DNS_LABEL, Ssh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.cluster_state.node_versions import NodeVersions
    from topologies.schema.topology import Topology

TOPOLOGY = pytest.StashKey["Topology"]()
RAW = pytest.StashKey[dict[str, Any]]()  # the contents of its file
DEFAULT = "lab-flannel"
PROGRAMS = ("--kubernetes-bin", "--kube-proxy-bin")


class Access(NamedTuple):
    """Files and names by which a cluster and its hosts are reached; None means the client's own default.

    `logs`: the directory of the logs of a lab's components, `<host>.<component>.log`. `nodes`: what the lab started on
    each node.
    """

    kubeconfig: str | None
    context: str | None
    ssh: Ssh
    namespace: str | None = None
    logs: Path | None = None
    nodes: Mapping[str, NodeVersions] | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options that name the cluster."""
    group = parser.getgroup("hairpin: which cluster")
    group.addoption(
        "--topology",
        default=DEFAULT,
        metavar="NAME|FILE",
        help=f"declared topology: a file or one of {', '.join(names())}",
    )
    group.addoption(
        "--with",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override a key of the topology: kubernetes=1.34.4, mode=nftables, cni.kind=eni ...",
    )
    group.addoption(
        "--kubeconfig",
        default=None,
        metavar="FILE",
        help="kubeconfig of the cluster (default: KUBECONFIG, or the lab's)",
    )
    group.addoption("--context", default=None, metavar="NAME", help="context of the kubeconfig")
    group.addoption(
        "--namespace",
        type=_namespace,
        default=None,
        metavar="NS",
        help="a namespace made beforehand; the run then needs a Role in it only (default: the run creates its own)",
    )
    group.addoption(
        "--kubernetes-bin",
        type=Path,
        default=None,
        metavar="DIR",
        help="Kubernetes binaries for the lab (default: the cache, or built)",
    )
    group.addoption(
        "--kube-proxy-bin",
        action="append",
        default=[],
        metavar="[NODE=]FILE",
        help="another kube-proxy for the lab, for all nodes or one; proxy.version follows it",
    )
    group.addoption("--simulate", action="store_true", help="no cluster: a simulated cluster that follows the rules")


def _namespace(text: str) -> str:
    """Return the name of a namespace. ArgumentTypeError if no namespace can have it."""
    if not re.fullmatch(DNS_LABEL, text, re.ASCII):
        message = f"got {text[:80]!r}, want a DNS label: a-z, 0-9 and '-', at most 63 characters"
        raise argparse.ArgumentTypeError(message)
    return text


def pytest_configure(config: pytest.Config) -> None:
    """Read the topology once; a bad file is a usage error that lists every complaint."""
    _read(config)


def _read(config: pytest.Config) -> Topology:
    """Return the declared topology, read once: pytest_cmdline_main comes before pytest_configure."""
    if TOPOLOGY not in config.stash:
        try:
            name, overrides = config.getoption("--topology"), parse(config.getoption("overrides"))
            if any(config.getoption(option) for option in PROGRAMS):
                from topologies.lab.given_programs import GivenPrograms  # noqa: PLC0415 - only a lab pays for the lab

                overrides = GivenPrograms.parse(*map(config.getoption, PROGRAMS)).follow(name, overrides)
            config.stash[RAW], config.stash[TOPOLOGY] = read(name, overrides)
        except HairpinError as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[TOPOLOGY]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> pytest.ExitCode | None:
    """Bring the lab up, unless the command asks for nothing live, and start the same command again inside it.

    Returns the exit code of an interruption while the lab comes up, else None: pytest goes on.
    """
    topology = _read(config)
    if topology.lab is None or _stays_outside(config):
        return None
    from topologies.lab import lab, sandbox, teardown_on_exit  # noqa: PLC0415 - only a lab topology pays for the lab

    if sandbox.is_inside(topology.name):
        if (number := teardown_on_exit.take_descriptor()) is not None:
            config.add_cleanup(lambda: teardown_on_exit.end_lab(number, topology.name))
        return None
    capture = config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            directory, proxies = map(config.getoption, PROGRAMS)
            lab.up(topology, kubernetes_bin=directory, kube_proxy_bin=proxies, progress=_say, stay=False)
            sandbox.reenter(topology.name, [sys.executable, "-m", "pytest", *config.invocation_params.args])
    except HairpinError as error:
        raise pytest.UsageError(str(error)) from error
    except KeyboardInterrupt:
        _say(f"interrupted while lab {topology.name} came up: it is taken down, nothing was asked")
        return pytest.ExitCode.INTERRUPTED
    return None


def access(config: pytest.Config) -> Access:
    """Return how this run's cluster is reached: by the options, or as the lab that it runs in.

    ClusterError where that lab is gone, or this process is not in its network: what is meant for a lab never goes to
    whatever cluster KUBECONFIG names, or to another host with an address of the lab's.
    """
    topology = config.stash[TOPOLOGY]
    kubeconfig = config.getoption("--kubeconfig")
    if topology.lab is not None and not kubeconfig:
        from topologies.lab import lab, sandbox  # noqa: PLC0415 - only a lab topology pays for the lab

        if (found := lab.find(topology.name)) is None:
            message = f"lab {topology.name} is not up (any more): was it taken down meanwhile? Try again"
            raise ClusterError(message)
        if not sandbox.is_inside(topology.name):  # outside the lab's network its addresses are other hosts'
            message = f"lab {topology.name}: got a process outside its network, want one that `pytest` started in it"
            raise ClusterError(message)
        ssh = Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts))
        return Access(str(found.kubeconfig), None, ssh, config.getoption("--namespace"), found.logs, found.nodes)
    return Access(kubeconfig, config.getoption("--context"), Ssh(), config.getoption("--namespace"))


def _stays_outside(config: pytest.Config) -> bool:
    if not runs_suites(config):
        return True
    asks_nothing = config.getoption("collectonly") or config.getoption("--simulate") or config.getoption("setupplan")
    shows_only = any(config.getoption(name, default=False) for name in ("showfixtures", "markers", "rules"))
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return bool(asks_nothing or shows_only or is_worker or config.getoption("--kubeconfig"))


def runs_suites(config: pytest.Config) -> bool:
    """Whether the paths given (or pytest's own default) hold our suites; the tests of our code need no lab."""
    suites = config.rootpath / "suites"
    paths = [(config.invocation_params.dir / arg.split("::", maxsplit=1)[0]).resolve() for arg in config.args]
    return any(path == suites or suites in path.parents or path in suites.parents for path in paths)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@pytest.fixture(scope="session")
def topology(request: pytest.FixtureRequest) -> Topology:
    """Return the declared topology of this run."""
    return request.config.stash[TOPOLOGY]
