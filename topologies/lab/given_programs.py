"""The programs that a user gives a lab (`--kubernetes-bin`, `--kube-proxy-bin`), and the versions that follow them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from topologies.lab.build import binaries, node_proxies
from topologies.lab.build.node_proxies import PROXY_VERSION, ProxyFiles
from topologies.lab.build.program_files import BinariesError, report_version
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from topologies.schema.topology import Topology


@dataclass(frozen=True, slots=True)
class GivenPrograms:
    """A directory with the programs of a release, and kube-proxies for all nodes or one."""

    directory: Path | None
    proxies: ProxyFiles

    @classmethod
    def parse(cls, directory: Path | str | None, proxies: Iterable[str]) -> Self:
        """Read the values of the two options; BinariesError if two files are for one node."""
        return cls(Path(directory).absolute() if directory else None, ProxyFiles.parse(proxies))

    def follow(self, topology: str, overrides: Mapping[str, object]) -> dict[str, object]:
        """Return overrides of a topology with the versions of these programs, where the user declares none.

        Raises:
            BinariesError: A given kube-proxy cannot serve, or is of another minor version than declared.
            TopologyError: The topology or the overrides cannot be read.

        """
        changes = binaries.follow(self.directory, overrides) if self.directory else dict(overrides)
        if not self.directory and not self.proxies:
            return changes
        read = declared(topology, changes)
        followed = node_proxies.follow(read, self.proxies)
        own = {} if self.proxies.everywhere or node_proxies.declares_version(read) else self._follow_patch(read)
        return {**changes, **own, **followed}

    def _follow_patch(self, topology: Topology) -> dict[str, str]:
        """Return the override for a directory whose kube-proxy is another patch release than `kubernetes`."""
        with suppress(BinariesError):
            found = report_version(self.directory / node_proxies.PROXY) if self.directory else topology.kubernetes
            if found[:2] == topology.kubernetes[:2] and found != topology.kubernetes:
                return {PROXY_VERSION: str(found)}
        return {}

    def find(self, topology: Topology, *, cache: Path, progress: Callable[[str], None]) -> binaries.Binaries:
        """Return all programs of a lab, those of a version that Debian packages built first if need be.

        Prints a warning for each kube-proxy outside of the supported version skew.

        Raises:
            BinariesError: They are not available.

        """
        own = node_proxies.uses_own(topology, self.proxies)
        programs = [name for name in binaries.RELEASED if own or name != node_proxies.PROXY]
        found = binaries.find(self.directory, topology.kubernetes, cache=cache, progress=progress, programs=programs)
        proxies = node_proxies.find_proxies(topology, self.proxies, found.directory, cache)
        for line in node_proxies.warn_of_skew(topology.kubernetes, proxies):
            progress(line)
        return replace(found, proxies=proxies)
