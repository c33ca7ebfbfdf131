"""The control plane: etcd, API server, controller manager and scheduler as plain processes of the host `cp`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from topologies.common.subprocesses import Child, ProcessError, spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.component_flags import arguments
from topologies.lab.control_plane import cluster_dns
from topologies.lab.control_plane.api import Api, ApiError
from topologies.lab.network import netns, plan
from topologies.lab.network.pods import pod_cidr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.lab.state import State
    from topologies.schema.topology import Node, Topology

ETCD = "http://127.0.0.1:2379"
PEER = "http://127.0.0.1:2380"
CONFLICT = 409  # HTTP: the object exists


def etcd() -> list[str]:
    """Return the command of etcd, whose data is on a file system in memory and never flushed."""
    return [
        *("etcd", "--name=lab", "--data-dir=/run/etcd", "--unsafe-no-fsync", "--logger=zap"),
        *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}", f"--listen-peer-urls={PEER}"),
        *(f"--initial-advertise-peer-urls={PEER}", f"--initial-cluster=lab={PEER}"),
        *("--heartbeat-interval=500", "--election-timeout=2500", "--initial-election-tick-advance=true"),
    ]


def apiserver(topology: Topology, state: State) -> list[str]:
    """Return the arguments of kube-apiserver for the topology's version."""
    address, pki = str(plan.control_plane(topology)), state.pki
    values = {
        "etcd-servers": ETCD,
        "bind-address": "0.0.0.0",  # noqa: S104 - all addresses of a network namespace of ours
        "secure-port": "6443",
        "insecure-port": "0",
        "advertise-address": address,
        "service-cluster-ip-range": str(topology.service_cidr),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "token-auth-file": f"{pki}/tokens.csv",
        "client-ca-file": f"{pki}/ca.crt",
        "tls-cert-file": f"{pki}/api.crt",
        "tls-private-key-file": f"{pki}/api.key",
        "kubelet-client-certificate": f"{pki}/kubelet-client.crt",
        "kubelet-client-key": f"{pki}/kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-key-file": f"{pki}/sa.key",
        "service-account-signing-key-file": f"{pki}/sa.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "enable-aggregator-routing": "true",  # webhooks by endpoint: no kube-proxy runs on this host
        "allow-privileged": "true",
        "profiling": "false",
        "v": "1",
    }
    return arguments("kube-apiserver", topology.kubernetes, values)


def controller_manager(topology: Topology, state: State) -> list[str]:
    """Return the arguments of kube-controller-manager. The lab creates the Node objects, with their podCIDR."""
    values = {
        "kubeconfig": f"{state.kube}/kcm.conf",
        "root-ca-file": f"{state.pki}/ca.crt",
        "service-account-private-key-file": f"{state.pki}/sa.key",
        "leader-elect": "false",
        "cluster-cidr": str(topology.cni.pod_cidr),
        "service-cluster-ip-range": str(topology.service_cidr),
        "allocate-node-cidrs": "false",
        "node-monitor-period": "1s",
        "bind-address": "127.0.0.1",
        "port": "0",
        "profiling": "false",
        "v": "1",
    }
    return arguments("kube-controller-manager", topology.kubernetes, values)


def scheduler(topology: Topology, state: State) -> list[str]:
    """Return the arguments of kube-scheduler."""
    values = {
        "kubeconfig": f"{state.kube}/scheduler.conf",
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "port": "0",
        "profiling": "false",
        "v": "1",
    }
    return arguments("kube-scheduler", topology.kubernetes, values)


def node_object(topology: Topology, node: Node) -> dict[str, object]:
    """Return a Node object to create before its kubelet starts: podCIDR, addresses, capacity.

    Without a capacity kubelet 1.20 panics.
    """
    cidr = str(pod_cidr(topology, node))
    known = [{"type": "InternalIP", "address": str(node.address)}, {"type": "Hostname", "address": node.name}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.api_name, "labels": {"kubernetes.io/hostname": node.api_name}},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"capacity": {"pods": "60"}, "allocatable": {"pods": "60"}, "addresses": known},
    }


@dataclass(slots=True)
class ControlPlane:
    """The control plane's processes and API calls, from inside the host `cp`."""

    topology: Topology
    state: State
    binaries: Path
    api: Api
    daemons: dict[str, Child]
    """All daemons of the lab, by names such as `etcd of cp`."""

    def start_api(self) -> None:
        """Start etcd and the API server, which waits for etcd."""
        self._start("etcd", etcd())
        server = [str(self.binaries / "kube-apiserver"), *apiserver(self.topology, self.state)]
        self._start("apiserver", server)

    def start_controllers(self) -> None:
        """Start controller manager and scheduler."""
        manager = controller_manager(self.topology, self.state)
        self._start("controller-manager", [str(self.binaries / "kube-controller-manager"), *manager])
        self._start("scheduler", [str(self.binaries / "kube-scheduler"), *scheduler(self.topology, self.state)])

    def make_nodes(self) -> None:
        """Create the Node objects."""
        for node in self.topology.nodes:
            self.api.call("POST", "/api/v1/nodes", node_object(self.topology, node))

    def make_cluster_dns(self, seconds: float = TIMEOUTS.control_plane_s) -> None:
        """Create the objects of the cluster's DNS, if the topology declares one, as soon as the namespace exists.

        Raises:
            ProcessError: A daemon of the lab ended.
            WaitTimeoutError: One cannot be created within `seconds`.

        """
        for path, made in cluster_dns.list_objects(self.topology) if self.topology.cluster_dns else ():
            self._until(partial(self._create, path, made), f"creation of {made['metadata']['name']} of DNS", seconds)

    def await_cluster_dns(self, seconds: float = TIMEOUTS.control_plane_s) -> None:
        """Wait until all replicas of the cluster's DNS are available, if the topology declares one.

        Raises:
            ProcessError: A daemon of the lab ended.
            WaitTimeoutError: They are not within `seconds`.

        """
        if self.topology.cluster_dns:
            self._until(lambda: cluster_dns.is_available(self.api.get(cluster_dns.DEPLOYMENT)), "cluster DNS", seconds)

    def _create(self, path: str, made: dict[str, object]) -> bool:
        """Create an object unless an earlier call, whose answer was lost, has created it."""
        try:
            self.api.call("POST", path, made)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
        return True

    def await_api(self, seconds: float = TIMEOUTS.control_plane_s) -> None:
        """Wait until /readyz answers `ok`.

        Raises:
            ProcessError: A daemon of the lab ended.
            WaitTimeoutError: It does not answer so within `seconds`.

        """
        self._until(lambda: self.api.get("/readyz") == "ok", "the API server", seconds)

    def await_nodes(self, seconds: float = TIMEOUTS.control_plane_s) -> None:
        """Wait until every node is Ready and the default ServiceAccount exists, which pods require.

        Raises:
            ProcessError: A daemon of the lab ended.
            WaitTimeoutError: A step took longer than `seconds`.

        """
        wanted = {node.api_name for node in self.topology.nodes}
        self._until(lambda: wanted <= self._ready_nodes(), f"readiness of {len(wanted)} nodes", seconds)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._until(lambda: bool(self.api.get(account)), "the default ServiceAccount", seconds)

    def _ready_nodes(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.api.get("/api/v1/nodes")["items"]
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def _start(self, component: str, argv: list[str]) -> None:
        with netns.inside(plan.CONTROL_PLANE):
            self.daemons[f"{component} of {plan.CONTROL_PLANE}"] = spawn(
                argv, self.state.log(plan.CONTROL_PLANE, component)
            )

    def _until(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        def check() -> str:
            try:
                reason = unmet(done, "not yet")()
            except ApiError as error:
                reason = str(error)
            if reason and (ended := [name for name, daemon in self.daemons.items() if daemon.poll() is not None]):
                message = f"{ended[0]} ended"
                raise ProcessError(message)
            return reason

        with netns.inside(plan.CONTROL_PLANE):
            until(check, Deadline(seconds), what, every=0.05)
