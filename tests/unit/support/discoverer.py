"""Discover a seeded cluster through the real client, and read what was found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.unit.support import fake_api
from tests.unit.support.fake_api import Api
from topologies.cluster import client as clusters
from topologies.common.errors import HairpinError
from topologies.discovery import writing
from topologies.discovery.discover import DiscoveryRequest, discover, list_findings
from topologies.discovery.probe_pods import ProbeSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.unit.support.real_clusters.seeds import SeededCluster
    from topologies.discovery.discover import Discovery


IMAGE = "registry.example/agnhost:2.53"


class Discoverer:
    """Discovers a seeded cluster through the real client."""

    def __init__(self, folder: Path) -> None:
        self.api = Api(pod_status=self._status)
        self.folder = folder
        self.cluster: SeededCluster
        self.asked: list[str] = []
        self.progress: list[str] = []
        self.hosts: dict[str, str] = {}
        self.silent: set[str] = set()  # addresses that drop connections to a closed port

    def discover(self, cluster: SeededCluster, *, count: int = 4, pods: bool = True, namespace: str = "") -> Discovery:
        self.cluster = cluster
        cluster.seed(self.api)
        with fake_api.serve(self.api, self.folder) as kubeconfig:
            settings = ProbeSettings("a1b2" if pods else "", IMAGE, namespace, ready_s=2)
            request = DiscoveryRequest(count, settings)
            return discover(clusters.connect(str(kubeconfig)), request, self._execute, self.progress.append)

    def _status(self, pod: dict[str, Any]) -> dict[str, Any]:
        name, spec = pod["metadata"]["name"], pod["spec"]
        self.hosts[name] = spec["nodeName"]
        address = "192.0.2.1" if spec.get("hostNetwork") else self.cluster.pods.get(spec["nodeName"])
        ready = [{"type": "Ready", "status": "True"}]
        return {"phase": "Running", "podIP": address, "startTime": fake_api.now(), "conditions": ready}

    def _execute(self, _namespace: str, pod: str, command: Sequence[str], _timeout_s: float) -> bytes:
        if pod.startswith("pod-"):
            targets = re.findall("@target ([0-9.]+)", command[-1])
            refused = [one for one in targets if one not in self.silent]
            return "".join(
                f"@target {one}\n* connect to {one} port 9 failed: Connection refused\n" for one in refused
            ).encode()
        self.asked.append(self.hosts[pod])
        if self.hosts[pod] not in self.cluster.outputs:
            message = "exec into the pod was cut"
            raise HairpinError(message)
        return self.cluster.outputs[self.hosts[pod]].printed()


def written(discovery: Discovery) -> str:
    return writing.render(discovery, "mine", "https://192.0.2.7:6443", "2026-11-26")


def values(discovery: Discovery) -> dict[str, Any]:
    return {path: one.value for path, one in list_findings(discovery)}
