"""The CoreDNS of a lab with cluster DNS, built from its Go module with only the plugins that answer for the cluster.

find(topology, cache_dir())

CoreDNS' own main package has all plugins, which is several times the code. There is no `forward`, so that no query
leaves the lab, and no `cache`, so that an answer is what the API server holds now.

Source: CoreDNS' `plugin.cfg`, `coremain`, and `plugin/kubernetes/controller.go` for the discovery API that it watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.lab.build import go_errors
from topologies.lab.build.go_module import building_in, pinned_lines
from topologies.lab.build.kubernetes import locked
from topologies.lab.build.program_files import find_fault
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.schema.topology import Topology

NAME = "coredns"
MODULE = "github.com/coredns/coredns"
OUR_MODULE = "hairpin.invalid/coredns"
PLUGINS = ("errors", "health", "kubernetes", "loadbalance", "ready")
MAIN = """\
package main

import (
	"github.com/coredns/coredns/coremain"
{plugins}
)

func main() {{ coremain.Run() }}
"""
GO_MOD = "module {ours}\n\ngo {go}\n\nrequire {module} {version}\n"


class ClusterDnsMissingError(HairpinError):
    """The lab's CoreDNS is not available. The message has the next step."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of CoreDNS, and the oldest Kubernetes that it can watch."""

    version: str
    since: Version

    def __str__(self) -> str:
        return f"CoreDNS {self.version}"

    def place(self, cache: Path) -> Path:
        """Return the path of the program in the cache."""
        return cache / NAME / self.version / NAME

    def make(self, cache: Path, progress: Callable[[str], None]) -> Path:
        """Build the program into the cache, one builder at a time, unless it is there.

        Raises:
            BuildError: Go is missing or too old, the registry does not serve a module, no network, or no room.

        """
        program = self.place(cache)
        folder = program.parent
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f"{folder.name}.lock"), progress):
            if find_fault(program):
                self._build(program, folder.with_name(f"{folder.name}.modules"), progress)
        return program

    def _build(self, program: Path, work: Path, progress: Callable[[str], None]) -> None:
        version = f"v{self.version}"
        with building_in(work, progress) as module:
            go_mod, go_sum = module.download(MODULE, version)
            go = go_errors.GoVersion.required(go_mod)
            ours = GO_MOD.format(ours=OUR_MODULE, go=go, module=MODULE, version=version)
            module.write(ours, go_sum + "".join(pinned_lines(MODULE, version)), {"main.go": main_package()})
            module.build(f"{NAME} {self.version}", OUR_MODULE, program, "-ldflags", "-s -w")


# 1.11 and newer watch discovery.k8s.io/v1 only, which Kubernetes has from 1.21 on.
RELEASES = (Release("1.15.0", Version(1, 21)), Release("1.10.1", Version(1, 20)))


def release_for(kubernetes: Version) -> Release:
    """Return the newest CoreDNS of the lab that can watch this Kubernetes.

    Raises:
        ClusterDnsMissingError: There is none.

    """
    if found := next((release for release in RELEASES if kubernetes >= release.since), None):
        return found
    message = f"cluster DNS of the lab: got Kubernetes {kubernetes}, want {RELEASES[-1].since} or newer. Choose another"
    raise ClusterDnsMissingError(message)


def find(topology: Topology, cache: Path) -> Path | None:
    """Return the CoreDNS in the cache for a topology; None if it declares no cluster DNS.

    Raises:
        ClusterDnsMissingError: It is not there, or not whole, or no release can watch this Kubernetes.

    """
    if topology.cluster_dns is None:
        return None
    program = release_for(topology.kubernetes).place(cache)
    if fault := find_fault(program):
        got = fault.partition(", want")[0]
        message = (
            f"cluster DNS of the lab: {program}: {got}, want it. Run `hairpin lab get {topology.kubernetes} {NAME}`"
        )
        raise ClusterDnsMissingError(message)
    return program


def main_package() -> str:
    """Return the source of a CoreDNS with PLUGINS only."""
    return MAIN.format(plugins="\n".join(f'\t_ "{MODULE}/plugin/{plugin}"' for plugin in PLUGINS))
