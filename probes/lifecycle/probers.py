"""Make the probers of a run: each runs commands at one place, by exec in a pod or by SSH on a host.

`kubernetes` and paramiko are imported at the first use, because they take 1.3 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.cluster.api import again
from topologies.cluster.manifests import CONTAINER
from topologies.schema.enums import VantageKind
from topologies.schema.topology import Ssh

if TYPE_CHECKING:
    from collections.abc import Collection

    from probes.asking.vantages.base import Prober
    from topologies.cluster.client import Cluster
    from topologies.schema.topology import Vantage

POD_KINDS = (VantageKind.NODE, VantageKind.POD)  # vantages with a pod of their own, on the host network first


@dataclass(frozen=True, slots=True)
class Probers:
    """What makes the probers of one run. `ssh`: the key and the known hosts for hosts that declare none."""

    cluster: Cluster
    ssh: Ssh

    def at(self, vantage: Vantage) -> Prober:
        """Return the prober at a vantage."""
        topology = self.cluster.topology
        if vantage.kind is VantageKind.EXTERNAL:
            host = next(host for host in topology.external if host.name == vantage.external)
            return self._at_host(vantage.name, host.ssh, str(host.address))
        if vantage.kind is VantageKind.SSH:
            node = topology.node(vantage.node or "")
            return self._at_host(vantage.name, node.ssh or Ssh(), str(node.address))
        return self._in_pod(vantage.name, vantage.backend or vantage.name)

    def in_hosted_backends(self, lost: Collection[str]) -> dict[str, Prober]:
        """Return the prober in each backend on the host network, by name. `lost`: pods that do not run."""
        backends = self.cluster.topology.workload.backends
        return {
            one.name: self._in_pod(one.name, one.name) for one in backends if one.host_network and one.name not in lost
        }

    def in_lingering_pods(self) -> list[Prober]:
        """Return the prober in each pod that ignores SIGTERM, by name."""
        return [self._in_pod(name, name) for name in sorted(self.cluster.lingering)]

    def in_any_pod(self, lost: Collection[str]) -> Prober | None:
        """Return the prober in one pod that is not lost, on a host network if there is one; None without a pod."""
        vantages = self.cluster.topology.workload.vantages
        pods = [one for one in vantages if one.kind in POD_KINDS and one.name not in lost]
        first = min(pods, key=lambda one: POD_KINDS.index(one.kind), default=None)
        return self.at(first) if first else None

    def _in_pod(self, name: str, pod: str) -> Prober:
        from probes.asking.vantages.pod import PodVantage  # noqa: PLC0415 - see the module's docstring

        cluster = self.cluster
        return PodVantage(
            name=name, api_factory=lambda: again(cluster.api), namespace=cluster.namespace, pod=pod, container=CONTAINER
        )

    def _at_host(self, name: str, ssh: Ssh, address: str) -> Prober:
        from probes.asking.vantages.ssh import SshVantage  # noqa: PLC0415 - see the module's docstring

        return SshVantage(
            name=name,
            host=ssh.host or address,
            port=ssh.port,
            user=ssh.user,
            key=_path(ssh.key or self.ssh.key),
            known_hosts=_path(ssh.known_hosts or self.ssh.known_hosts),
        )


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
