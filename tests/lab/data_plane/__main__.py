"""Serve the Services of a cluster on one node.

python -m tests.lab.data_plane --kubeconfig=FILE --hostname-override=NODE [--violate=NAME]
"""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from tests.lab.data_plane.decisions import ThisNode, decide_all
from tests.lab.data_plane.health import HealthServers, ready_endpoints
from tests.lab.data_plane.ruleset import TABLE, affinity_sets, ruleset
from tests.lab.data_plane.services import SERVICES, SLICES, read_ports
from tests.lab.data_plane.violations import VIOLATIONS
from tests.lab.data_plane.watching import ApiServer, Watched
from topologies.common.waiting import pause

ZONE = "topology.kubernetes.io/zone"
GATHER_S = 0.02  # after the first change, so that one transaction applies those that come together
RETRY_S = 1.0


@dataclass(slots=True)
class DataPlane:
    """The rules of one node, replaced whole after each change."""

    node: ThisNode
    zone: str
    violation: str = ""
    health: HealthServers = field(default_factory=HealthServers)
    rules: str = ""
    sets: set[str] = field(default_factory=set)

    def apply(self, services: list[dict[str, Any]], slices: list[dict[str, Any]]) -> bool:
        """Program the kernel for these objects. Return whether it succeeded."""
        ports = read_ports(services, slices, self.node.name, self.zone)
        decisions = list(decide_all(ports, self.node))
        if self.violation:
            decisions = list(VIOLATIONS[self.violation].change(decisions, self.node))
        rules = ruleset(decisions, self.node, self.sets)
        if rules != self.rules:
            ended = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True, check=False)
            if ended.returncode:
                print(f"nft: {ended.stderr}\n{rules}", flush=True)
                return False
            self.sets = set(affinity_sets(decisions))
            self.rules = ruleset(decisions, self.node, self.sets)
        self.health.update(ready_endpoints(ports, self.node.name))
        return True


def describe_node(one: dict[str, Any]) -> ThisNode:
    """Return what decides on a node, from its Node object."""
    addresses = [given["address"] for given in one["status"]["addresses"] if given["type"] != "Hostname"]
    return ThisNode(one["metadata"]["name"], tuple(dict.fromkeys(addresses)), one["spec"]["podCIDR"])


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.lab.data_plane", description=__doc__)
    made.add_argument("--kubeconfig", required=True, metavar="FILE")
    made.add_argument("--hostname-override", required=True, metavar="NODE")
    made.add_argument("--violate", choices=sorted(VIOLATIONS), default="", metavar="NAME")
    return made


def await_node(api: ApiServer, name: str) -> dict[str, Any]:
    """Return the Node object, as soon as the API server has it."""
    while True:
        try:
            return api.read_object(f"/api/v1/nodes/{name}")
        except OSError as error:
            print(error, flush=True)
            pause(RETRY_S)


def choose_slices(api: ApiServer) -> str:
    """Return the path of the EndpointSlices in the newest version that the API server has."""
    newest, older = SLICES
    try:
        api.read_object(f"{newest}?limit=1")
    except OSError:
        return older
    return newest


def main() -> None:
    """Follow the API server for ever."""
    options = parser().parse_args()
    api = ApiServer.read(options.kubeconfig)
    one = await_node(api, options.hostname_override)
    plane = DataPlane(describe_node(one), (one["metadata"].get("labels") or {}).get(ZONE, ""), options.violate)
    subprocess.run(["nft", "delete", "table", *TABLE.split()], stderr=subprocess.DEVNULL, check=False)
    changed = Event()
    services, slices = Watched(api, SERVICES, changed), Watched(api, choose_slices(api), changed)
    for watched in (services, slices):
        watched.start()
    for watched in (services, slices):
        watched.listed.wait()
    while True:
        changed.wait()
        pause(GATHER_S)
        changed.clear()
        if not plane.apply(list(services.objects.values()), list(slices.objects.values())):
            pause(RETRY_S)
            changed.set()


if __name__ == "__main__":
    main()
