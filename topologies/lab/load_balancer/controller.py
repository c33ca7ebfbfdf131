"""The load balancer's controller, a process of the host `lb`: reads Services and configures the host for them.

    python -m topologies.lab.load_balancer.controller STATE

Five times a second it assigns addresses, checks health, replaces nft rules and routes if they changed, and only then
writes addresses to `status.loadBalancer`, so that an address in the status already works.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from topologies.cluster.lb_targets import ANNOTATION, to_annotation
from topologies.cluster.manifests import ADDRESS_ANNOTATION
from topologies.common.subprocesses import ProcessError, run, spawn
from topologies.common.threads import map_all
from topologies.common.waiting import pause
from topologies.lab import mounts
from topologies.lab.control_plane.api import Api, ApiError
from topologies.lab.control_plane.kubeconfigs import token
from topologies.lab.load_balancer import config
from topologies.lab.load_balancer.announcements import Routes, announced, cluster_ips
from topologies.lab.load_balancer.ruleset import is_routed, ruleset
from topologies.lab.network import plan, pods
from topologies.lab.state import State, read
from topologies.schema.enums import AddressIs, ArrivesAt, BalancerAffinity, EmptyPool
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from topologies.common.addresses import IPAddress

EVERY_S = 0.2  # between two rounds; three times as long as a round takes if that is more
HEALTH_TIMEOUT_S = 0.5
FALL = 3  # consecutive health checks without an answer after which a node is unhealthy, as in real load balancers
OK = 200
NAMED = ("unshare", "--uts", "--", "sh", "-c", 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"')


@dataclass(slots=True)
class Checks:
    """The state of every node's health checks. One late answer does not make a node unhealthy."""

    states: dict[tuple[IPAddress, int], bool] = field(default_factory=dict)
    missed: Counter[tuple[IPAddress, int]] = field(default_factory=Counter)

    def state(self, check: tuple[IPAddress, int], answer: bool | None) -> bool:
        """Return whether the node is healthy after this answer. `answer` is None if there was none in time."""
        self.missed[check] = self.missed[check] + 1 if answer is None else 0
        if answer is not None or self.missed[check] >= FALL:
            self.states[check] = bool(answer)
        return self.states.get(check, False)


@dataclass(slots=True)
class Controller:
    """The host's current configuration, so that only changes are applied."""

    topology: Topology
    api: Api
    rules: str = ""
    own: set[IPAddress] = field(default_factory=set)
    routed: Routes = field(default_factory=dict)
    checks: Checks = field(default_factory=Checks)
    marked: set[int] = field(default_factory=set)

    def sync(self) -> None:
        """Run one round.

        Raises:
            ApiError: The API server does not answer; the rules stay as they are.
            ProcessError: A command failed.

        """
        services = self.api.get("/api/v1/services")["items"]
        balancer, targets = self.topology.load_balancer, self.find_targets(services)
        owns = balancer.exists and balancer.address_is is AddressIs.OWN
        given = config.assign(services, plan.balanced(self.topology)) if owns else {}
        made = config.frontends(services, given, targets, balancer)
        self.hold(set() if is_routed(balancer) else set(given.values()))
        external = config.external_ips(services, plan.routed_to_balancer(self.topology))
        self.route(
            {
                **dict.fromkeys(external, targets.nodes[:1]),
                **announced(made, targets, balancer),
                **cluster_ips(services, targets, balancer),
            }
        )
        self.route_marks()
        self.program(made)
        if balancer.address_is is AddressIs.NODE:
            self.announce_nodes(services, targets)
            return
        pools = config.pools(services, given, made, {node.address: node.api_name for node in self.topology.nodes})
        for service in services:
            address = given.get(config.key(service))
            self.write_status(service, address, [config.status(service, address, balancer)] if address else [])
            self.write_pool(service, pools.get(config.key(service)))

    def find_targets(self, services: list[config.Service]) -> config.Targets:
        """Return the nodes and endpoints, with the nodes' health as of now."""
        balancer, nodes = self.topology.load_balancer, tuple(node.address for node in self.topology.nodes)
        ports = {one["spec"]["healthCheckNodePort"] for one in services if one["spec"].get("healthCheckNodePort")}
        asked = [(node, port) for port in ports for node in nodes]
        answers = dict(zip(asked, map_all(lambda check: check_health(*check), asked, at_once=16), strict=True))
        health = {check: self.checks.state(check, answer) for check, answer in answers.items()}
        leader = self.topology.node(balancer.leader).address if balancer.leader else None
        return config.Targets(nodes, lambda node, port: health[node, port], leader, self.find_ready())

    def find_ready(self) -> dict[str, tuple[config.Ready, ...]]:
        """Return the ready endpoints of each Service, if the balancer needs them."""
        balancer = self.topology.load_balancer
        needed = balancer.arrives_at is ArrivesAt.POD or balancer.empty_pool is EmptyPool.WITHDRAW
        if not needed and not balancer.advertises_cluster_ips:
            return {}
        nodes = {node.api_name: node.address for node in self.topology.nodes}
        return config.ready_endpoints(self.api.get("/api/v1/endpoints")["items"], nodes)

    def announce_nodes(self, services: list[config.Service], targets: config.Targets) -> None:
        """Write the nodes' own addresses to the status of each Service of type LoadBalancer (k3s ServiceLB)."""
        balancer, pool = self.topology.load_balancer, self.topology.load_balancer.addresses
        names = {node.address: node.api_name for node in self.topology.nodes}
        for service in filter(config.is_balanced, services):
            healthy = config.list_healthy(service, targets, balancer)
            own = [address for address in healthy if pool is None or address in pool]
            self.write_status(service, None, [{"ip": str(address)} for address in own])
            self.write_pool(service, to_annotation(names[address] for address in healthy))

    def program(self, made: list[config.ForwardingRule]) -> None:
        """Replace the rules if they changed."""
        nodes = [(node.address, (pods.pod_cidr(self.topology, node),)) for node in self.topology.nodes]
        rules = ruleset(made, self.topology.load_balancer, plan.routed_to_balancer(self.topology), nodes)
        if rules != self.rules:
            run(["nft", "-f", "-"], stdin=rules)
            self.rules = rules
            print(rules, flush=True)

    def hold(self, wanted: set[IPAddress]) -> None:
        """Make the load-balanced addresses local to the host, so that undeclared ports are refused."""
        for address in wanted - self.own:
            run(["ip", "address", "replace", f"{address}/32", "dev", "lo"])
        for address in self.own - wanted:
            run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])
        self.own = wanted

    def route(self, wanted: Routes) -> None:
        """Route externalIPs to the first node and announced addresses to their nodes, untranslated.

        The nodes' kube-proxies handle them.
        """
        for address, nodes in wanted.items():
            if self.routed.get(address) != nodes:
                hops = [word for node in nodes for word in ("nexthop", "via", str(node))]
                run(["ip", "route", "replace", f"{address}/32", *hops])
        for address in self.routed.keys() - wanted.keys():
            run(["ip", "route", "delete", f"{address}/32"])
        self.routed = wanted

    def route_marks(self) -> None:
        """Route packets with the mark of a node to that node, if a client's address selects the node."""
        balancer = self.topology.load_balancer
        if balancer.session_affinity is not BalancerAffinity.CLIENT_IP or not is_routed(balancer):
            return
        for node, mark in config.mark_nodes(one.address for one in self.topology.nodes).items():
            if mark not in self.marked:
                run(["ip", "route", "replace", "default", "via", str(node), "table", str(mark)])
                run(["ip", "rule", "add", "fwmark", str(mark), "lookup", str(mark)])
                self.marked.add(mark)

    def write_status(self, service: config.Service, address: IPAddress | None, wanted: list[dict[str, str]]) -> None:
        """Write the status if it changed; with a hostname in it, also the address as an annotation."""
        reported = config.ingress(service)
        if _is_reported(reported, wanted) or "deletionTimestamp" in service["metadata"]:
            return
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/services/{name}"
        try:
            if any("hostname" in entry for entry in wanted):
                self.api.merge(path, {"metadata": {"annotations": {ADDRESS_ANNOTATION: str(address)}}})
            self.api.merge(f"{path}/status", {"status": {"loadBalancer": {"ingress": wanted or None}}})
        except ApiError as error:
            print(error, flush=True)

    def write_pool(self, service: config.Service, pool: str | None) -> None:
        """Write the pool as an annotation if it changed, for runs that wait until the pool has settled."""
        reported = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
        if reported == pool or "deletionTimestamp" in service["metadata"]:
            return
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        change = {"metadata": {"annotations": {ANNOTATION: pool}}}
        try:
            self.api.merge(f"/api/v1/namespaces/{namespace}/services/{name}", change)
        except ApiError as error:
            print(error, flush=True)


def _is_reported(reported: list[dict[str, str]], wanted: list[dict[str, str]]) -> bool:
    """Return whether the status is the required one. Newer API servers add a default ipMode."""
    return len(reported) == len(wanted) and all(
        one.items() <= entry.items() for one, entry in zip(wanted, reported, strict=True)
    )


def check_health(node: IPAddress, port: int) -> bool | None:
    """Return whether a healthCheckNodePort of a node answers 200; None if it does not answer in time."""
    connection = HTTPConnection(str(node), port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == OK
    except TimeoutError:
        return None
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def listen(state: State, topology: Topology) -> None:
    """Start echo servers on the host: one for the undeclared port, and one for each own listener, with its name."""
    balancer = topology.load_balancer
    agnhost = Path(read(state.record)["agnhost"])
    names = {plan.BALANCER: balancer.undeclared_port} if balancer.listens else {}
    for name, port in {**names, **config.own_listeners(balancer)}.items():
        argv = [str(agnhost), "netexec", f"--http-port={port}", f"--udp-port={port}"]
        spawn([*NAMED, name, *argv], state.log(plan.BALANCER, f"echo-{name}"))


def main(root: str) -> None:
    """Run rounds for ever."""
    state = State(Path(root))
    topology = Topology.model_validate_json(state.topology.read_text())
    mounts.set_hostname(plan.BALANCER)
    listen(state, topology)
    api = Api(str(plan.control_plane(topology)), state.pki / "ca.crt", token("balancer"))
    controller = Controller(topology, api)
    while True:
        began = monotonic()
        try:
            controller.sync()
        except (ApiError, ProcessError) as error:
            print(error, flush=True)
        pause(max(EVERY_S, 3 * (monotonic() - began)))


if __name__ == "__main__":
    main(sys.argv[1])
