"""The load balancer's controller, a process of the host `lb`: watches Services and makes the host do what they say.

    python -m topologies.lab.loadbalancer STATE

Five times a second: addresses are given, health is asked, nft rules and routes are replaced if they changed, and only
then the address is told in `status.loadBalancer`, so that who reads it may use it.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from topologies.lab import addresses, balancing, mounts
from topologies.lab.access import token
from topologies.lab.api import Api, ApiError
from topologies.lab.processes import ProcessError, run, spawn
from topologies.lab.state import State, read
from topologies.model import LoadBalancerKind, Topology

if TYPE_CHECKING:
    from ipaddress import IPv4Address

EVERY = 0.2
HEALTH_TIMEOUT = 0.5
OK = 200


@dataclass(slots=True)
class Controller:
    """What the host does already, so that only changes are made."""

    topology: Topology
    api: Api
    rules: str = ""
    own: set[IPv4Address] = field(default_factory=set)
    routed: set[IPv4Address] = field(default_factory=set)

    def sync(self) -> None:
        """One round; ApiError if the API server does not answer (the rules stay as they are)."""
        services = self.api.get("/api/v1/services")["items"]
        network = addresses.balanced(self.topology)
        inline = self.topology.load_balancer.kind is LoadBalancerKind.INLINE
        given = balancing.assign(services, network) if inline else {}
        self.hold(set(given.values()))
        self.route(balancing.external_ips(services, addresses.routed_to_balancer(self.topology)))
        self.program(services, given)
        for service in services:
            self.tell(service, given.get(balancing.key(service)))

    def program(self, services: list[balancing.Service], given: dict[str, IPv4Address]) -> None:
        """Replace the rules if anything changed."""
        nodes = tuple(node.address for node in self.topology.nodes)
        ports = {one["spec"]["healthCheckNodePort"] for one in services if one["spec"].get("healthCheckNodePort")}
        asked = [(node, port) for port in ports for node in nodes]
        with ThreadPoolExecutor(max_workers=max(1, min(16, len(asked)))) as pool:
            health = dict(zip(asked, pool.map(lambda question: healthy(*question), asked), strict=True))
        made = balancing.frontends(services, given, nodes, lambda node, port: health[node, port])
        rules = balancing.ruleset(made, self.topology.load_balancer.empty_pool)
        if rules != self.rules:
            run(["nft", "-f", "-"], given=rules)
            self.rules = rules
            print(rules, flush=True)  # noqa: T201 - our log

    def hold(self, wanted: set[IPv4Address]) -> None:
        """The balanced addresses are the host's own: a port nobody declared is refused, as by a real machine."""
        for address in wanted - self.own:
            run(["ip", "address", "replace", f"{address}/32", "dev", "lo"])
        for address in self.own - wanted:
            run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])
        self.own = wanted

    def route(self, wanted: set[IPv4Address]) -> None:
        """ExternalIPs go to the first node, unchanged: its kube-proxy answers for them."""
        for address in wanted - self.routed:
            run(["ip", "route", "replace", f"{address}/32", "via", str(self.topology.nodes[0].address)])
        for address in self.routed - wanted:
            run(["ip", "route", "delete", f"{address}/32"])
        self.routed = wanted

    def tell(self, service: balancing.Service, address: IPv4Address | None) -> None:
        """Write the status if it does not say so yet."""
        told, wanted = balancing.ingress(service), [str(address)] if address else []
        if told == wanted or "deletionTimestamp" in service["metadata"]:
            return
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in wanted] or None}}
        try:
            self.api.merge(f"/api/v1/namespaces/{namespace}/services/{name}/status", {"status": status})
        except ApiError as error:
            print(error, flush=True)  # noqa: T201 - gone meanwhile, or changed: the next round sees


def healthy(node: IPv4Address, port: int) -> bool:
    """What kube-proxy's health check of a Local Service says on a node."""
    connection = HTTPConnection(str(node), port, timeout=HEALTH_TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def listen(state: State, topology: Topology) -> None:
    """An echo of the host's own, on the port that no Service declares."""
    port = topology.load_balancer.undeclared_port
    agnhost = Path(read(state.record)["binaries"]) / "agnhost"
    argv = [str(agnhost), "netexec", f"--http-port={port}", f"--udp-port={port}"]
    spawn(argv, state.log(addresses.BALANCER, "echo"))


def main(root: str) -> None:
    """Never returns."""
    state = State(Path(root))
    topology = Topology.model_validate_json(state.topology.read_text())
    mounts.hostname(addresses.BALANCER)
    if topology.load_balancer.listens:
        listen(state, topology)
    api = Api(str(addresses.control_plane(topology)), state.pki / "ca.crt", token("balancer"))
    controller = Controller(topology, api)
    while True:
        try:
            controller.sync()
        except (ApiError, ProcessError) as error:
            print(error, flush=True)  # noqa: T201 - our log
        sleep(EVERY)


if __name__ == "__main__":
    main(sys.argv[1])
