"""The kube-proxy of each node: a file of the user's, the directory's, or that of another version from the cache.

A topology declares its version (`proxy.version`, `nodes[].proxy.version`). Any combination with kube-apiserver's is
started, because mixed clusters are what the lab exists for; `warn_of_skew` reports the unsupported ones.

Source: https://kubernetes.io/releases/version-skew-policy/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from topologies.lab.build.program_files import BinariesError, Program, find_fault, report_version
from topologies.schema.topology import DNS_LABEL, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from topologies.schema.topology import Topology

OPTION = "--kube-proxy-bin"
PROXY = "kube-proxy"
PROXY_VERSION = "proxy.version"
WIDER_SKEW = Version(1, 25)  # this kube-proxy and newer ones may be 3 minors older than kube-apiserver, others 2


@dataclass(frozen=True, slots=True)
class ProxyFiles:
    """The files of `--kube-proxy-bin`: one for all nodes, and those for one node each."""

    everywhere: Path | None = None
    nodes: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Iterable[str]) -> Self:
        """Read `FILE` and `NODE=FILE` texts.

        Raises:
            BinariesError: Two texts are for the same nodes.

        """
        found: dict[str, Path] = {}
        for text in given:
            node, equals, path = text.partition("=")
            if not equals or not re.fullmatch(DNS_LABEL, node, re.ASCII):
                node, path = "", text
            if node in found:
                place = f"node {node}" if node else "all nodes"
                message = f"{OPTION}: {place}: got {found[node]} and {path}, want one file. Leave one of them out"
                raise BinariesError(message)
            found[node] = Path(path).absolute()
        return cls(found.pop("", None), found)

    def __bool__(self) -> bool:
        """Whether there is any file."""
        return bool(self.everywhere or self.nodes)

    def of(self, topology: Topology, node: str) -> Path | None:
        """Return the file for a node: its own, or the one for all nodes without a version of their own."""
        has_own = declares_version(topology, node)
        return self.nodes.get(node) or (None if has_own else self.everywhere)


def declares_version(topology: Topology, node: str = "") -> bool:
    """Return whether a node (without a name: the cluster) has a `proxy.version` of its own."""
    proxy = topology.node(node).proxy if node else topology.proxy
    return proxy is not None and proxy.version is not None


def follow(topology: Topology, files: ProxyFiles) -> dict[str, str]:
    """Return overrides by which the versions of a topology follow these files, where none is declared.

    Raises:
        BinariesError: A node is not in the topology, a file is no kube-proxy that runs, or of another minor version
            than declared.

    """
    known = [node.name for node in topology.nodes]
    if strange := [node for node in files.nodes if node not in known]:
        message = f"{OPTION}: got node {strange[0]}, want one of {', '.join(known[:8])}. Correct the name"
        raise BinariesError(message)
    places = {"": files.everywhere} if files.everywhere else {}
    found = {}
    for node, path in {**places, **files.nodes}.items():
        key = f"nodes.{node}.{PROXY_VERSION}" if node else PROXY_VERSION
        version = report_version(path)
        if declares_version(topology, node):
            _check(path, version, topology.proxy_version_of(node), key)
        else:
            found[key] = str(version)
    return found


def _check(path: Path, found: Version, declared: Version, key: str) -> None:
    if found[:2] != declared[:2]:
        message = f"version of {path}: got {found}, want {declared}, as {key} declares. Change one of the two"
        raise BinariesError(message)


def uses_own(topology: Topology, files: ProxyFiles) -> bool:
    """Return whether a node runs the kube-proxy of the directory that kube-apiserver is from."""
    names = [node.name for node in topology.nodes]
    return any(files.of(topology, name) is None and _is_clusters(topology, name) for name in names)


def _is_clusters(topology: Topology, node: str) -> bool:
    return topology.proxy_version_of(node) == topology.kubernetes


def find_proxies(topology: Topology, files: ProxyFiles, directory: Path, cache: Path) -> dict[str, Program]:
    """Return the kube-proxy of each node.

    Args:
        topology: Declares the versions.
        files: The user's.
        directory: Where kube-apiserver is from. Its kube-proxy is of the version `kubernetes`, or is used by version.
        cache: The cache directory.

    Raises:
        BinariesError: One is not available, or of another version than declared.

    """
    search = _Search(topology, files, directory, cache)
    found = {node.name: search.find(node.name) for node in topology.nodes}
    missing: dict[Version, list[str]] = {}
    for node, program in found.items():
        if program is None:
            missing.setdefault(topology.proxy_version_of(node), []).append(node)
    if missing:
        message = "\n".join(_missing(version, nodes, cache) for version, nodes in missing.items())
        raise BinariesError(message)
    return {node: program for node, program in found.items() if program}


def cached_proxy(version: Version, cache: Path) -> Path:
    """Return the place of a version's kube-proxy in the cache."""
    return cache / "kubernetes" / str(version) / PROXY


def _missing(version: Version, nodes: Sequence[str], cache: Path) -> str:
    return (
        f"kube-proxy of {', '.join(nodes)}: got no {cached_proxy(version, cache)}, want it, as {version} is declared. "
        f"Run `hairpin lab get {version} {PROXY}`, or give {OPTION}={nodes[0]}=FILE"
    )


@dataclass(slots=True)
class _Search:
    """One search for the kube-proxies of a topology; each file is started once."""

    topology: Topology
    files: ProxyFiles
    directory: Path
    cache: Path
    reported: dict[Path, Version] = field(default_factory=dict)

    def find(self, node: str) -> Program | None:
        """Return the kube-proxy of a node; None if it is not in the cache."""
        declared = self.topology.proxy_version_of(node)
        own, kept = self.directory / PROXY, cached_proxy(declared, self.cache)
        if path := self.files.of(self.topology, node):
            key = f"nodes.{node}.{PROXY_VERSION}" if declares_version(self.topology, node) else PROXY_VERSION
            _check(path, self.report(path), declared, key)
            return Program(path, self.report(path))
        if _is_clusters(self.topology, node):
            return Program(own, self.report(own))
        if not find_fault(own) and self.report(own) == declared:
            return Program(own, declared)
        if find_fault(kept):
            return None
        if self.report(kept) != declared:
            message = f"version of {kept}: got {self.report(kept)}, want {declared}. Delete it, then build it again"
            raise BinariesError(message)
        return Program(kept, declared)

    def report(self, path: Path) -> Version:
        """Return the version that a kube-proxy reports."""
        if path not in self.reported:
            self.reported[path] = report_version(path)
        return self.reported[path]


def warn_of_skew(kubernetes: Version, proxies: Mapping[str, Program]) -> Iterator[str]:
    """Yield a line for each version of kube-proxy that kube-apiserver's does not support."""
    nodes: dict[Version, list[str]] = {}
    for node, program in proxies.items():
        nodes.setdefault(program.version, []).append(node)
    for version, names in sorted(nodes.items()):
        if why := unsupported_skew(version, kubernetes):
            yield f"warning: kube-proxy {version} of {', '.join(names)}: {why}"


def unsupported_skew(proxy: Version, apiserver: Version) -> str:
    """Return why the version skew policy does not support this pair; an empty string if it does."""
    if proxy.major != apiserver.major:
        return f"another major version than kube-apiserver {apiserver}"
    older = apiserver.minor - proxy.minor
    if older < 0:
        return f"newer than kube-apiserver {apiserver}, which is not supported"
    most = 3 if proxy >= WIDER_SKEW else 2
    if older <= most:
        return ""
    return f"{older} minor versions older than kube-apiserver {apiserver}; supported are {most}"
