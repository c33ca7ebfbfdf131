"""Our own data plane as a program, its planted violations, and how a lab declares it."""

from __future__ import annotations

import json
import socket
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from probes.contract.load import rows
from probes.contract.sources import Level
from tests.lab.data_plane import violations
from tests.lab.data_plane.__main__ import describe_node, parser
from tests.lab.data_plane.decisions import decide_all
from tests.lab.data_plane.health import HealthServers, ready_endpoints
from tests.lab.data_plane.services import SERVICES, read_ports
from tests.lab.data_plane.violations import VIOLATIONS
from tests.lab.data_plane.watching import ApiServer, Watched
from tests.unit.support.paths import ROOT
from tests.unit.topologies.lab.service_objects import (
    AFFINITY,
    BOTH,
    INNER,
    LOCAL,
    N1,
    N3,
    TERMINATING,
    WEB_A,
    WEB_B,
    endpoint,
    endpoint_slice,
    service,
)
from topologies.common.addresses import IPAddress
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.control_plane.kubeconfigs import write_access
from topologies.lab.load_balancer.controller import check_health
from topologies.lab.state import State
from topologies.lab.worker.node import Programs, daemons, service_proxy
from topologies.loading.overrides import declared, parse
from topologies.schema.complaints import TopologyError

if TYPE_CHECKING:
    from pathlib import Path


def test_health_check_ports_count_ready_endpoints_of_the_node() -> None:
    given: dict[str, Any] = {**LOCAL, "healthCheckNodePort": 31000}

    def ready(*endpoints: dict[str, Any], node: str = "n1") -> dict[int, int]:
        return ready_endpoints(read_ports([service(**given)], [endpoint_slice(*endpoints)], node), node)

    assert ready(endpoint(*WEB_A)) == {31000: 1}  # row 38
    assert ready(endpoint(*WEB_A), node="n3") == {31000: 0}  # row 39
    assert ready(endpoint(*WEB_A, **TERMINATING)) == {31000: 0}  # row 40
    assert ready_endpoints(read_ports([service()], [BOTH], "n1"), "n1") == {}  # row 41


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_changes_decisions_and_names_rows_of_its_levels(name: str) -> None:
    services = [
        service("web", clusterIP="10.96.0.1", **INNER),
        service("sticky", clusterIP="10.96.0.2", **AFFINITY),
        service("local", clusterIP="10.96.0.3", **LOCAL),
        service("host", clusterIP="10.96.0.4"),
    ]
    slices = [endpoint_slice(endpoint(*WEB_A), endpoint(*WEB_B), name=one["metadata"]["name"]) for one in services[:3]]
    slices.append(endpoint_slice(endpoint("198.18.1.11", "n1"), name="host", port=9090))
    before = list(decide_all(read_ports(services, slices, "n3"), N3))
    violation = VIOLATIONS[name]
    levels = {row.number: row.level for row in rows()}

    assert list(violation.change(before, N3)) != before
    assert {levels[number] for number in violation.must} == {Level.MUST}
    assert {levels[number] for number in violation.should} <= {Level.SHOULD}


def test_ten_violations_break_a_must() -> None:
    assert len(VIOLATIONS) >= 10
    assert N3.name == violations.BROKEN_NODE


def test_a_node_is_read_from_its_object_and_a_violation_by_its_name() -> None:
    addresses = [{"type": "InternalIP", "address": "198.18.1.11"}, {"type": "Hostname", "address": "n1"}]
    found = describe_node(
        {"metadata": {"name": "n1"}, "status": {"addresses": addresses}, "spec": {"podCIDR": "10.244.1.0/24"}}
    )

    assert found == N1
    assert parser().parse_args(["--kubeconfig=x", "--hostname-override=n1", "--violate=masquerade-local"]).violate


class _Answers(ApiServer):
    """An API server with one list, whose watch ends after these events."""

    def read_object(self, path: str) -> dict[str, Any]:
        assert path == SERVICES
        return {"items": [service("kept"), service("gone")], "metadata": {"resourceVersion": "7"}}

    def get(self, path: str, timeout_s: float | None = None) -> Any:
        assert path == f"{SERVICES}?watch=true&resourceVersion=7"
        assert timeout_s is None
        changed = service("kept", sessionAffinity="ClientIP")
        events = [("ADDED", service("new")), ("MODIFIED", changed), ("DELETED", service("gone")), ("ERROR", {})]
        return [json.dumps({"type": kind, "object": one}).encode() for kind, one in events]


def test_a_watch_applies_each_change_and_ends_with_an_error() -> None:
    watched = Watched(_Answers("", 0, "", ""), SERVICES, Event())

    watched._watch(watched._list())

    assert list(watched.objects) == ["default/kept", "default/new"]
    assert watched.objects["default/kept"]["spec"]["sessionAffinity"] == "ClientIP"
    assert watched.listed.is_set()
    assert watched.changed.is_set()


def test_a_kubeconfig_of_the_lab_is_read(tmp_path: Path) -> None:
    topology, state = declared("lab-small", {}), State(tmp_path)
    state.pki.mkdir()
    write_access(topology, state)

    found = ApiServer.read(f"{state.kube}/proxy.conf")

    assert found == ApiServer("198.18.1.10", 6443, f"{state.pki}/ca.crt", "token-proxy")


def test_a_health_check_port_answers_and_closes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = HealthServers()

    servers.update({port: 1})
    assert check_health(IPAddress("127.0.0.1"), port)
    servers.update({port: 0})
    assert check_health(IPAddress("127.0.0.1"), port) is False
    servers.update({})
    until(unmet(lambda: is_closed(port)), Deadline(5), "a closed port")


def is_closed(port: int) -> bool:
    """Return whether nothing listens there. Until its exec, a process of another thread shares our sockets."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


OTHER = ("proxy={kind: other}", "lab={data_plane: [./serve, -v]}")


def test_the_lab_starts_the_declared_command_in_kube_proxys_place(tmp_path: Path) -> None:
    topology = declared("lab-small", parse(OTHER))
    programs = Programs(kubernetes=_NoProxies(), runtime=_Runtime())  # type: ignore[arg-type] # no kube-proxy is asked for

    *_, last = daemons(topology, State(tmp_path), programs, topology.nodes[0])

    assert service_proxy(topology) == last["name"] == "data-plane"
    flags = [f"--kubeconfig={tmp_path}/kube/proxy.conf", "--hostname-override=n1"]
    assert last["argv"] == ["./serve", "-v", *flags]


class _NoProxies:
    def path(self, name: str) -> str:
        return f"/bin/{name}"


class _Runtime:
    path = "/bin"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (OTHER[:1], "proxy.kind: got other, want kube-proxy, or the command of another data plane in lab.data_plane"),
        (OTHER[1:], "lab.data_plane: got ./serve -v, want no command: the lab starts kube-proxy"),
    ],
)
def test_a_command_and_another_kind_are_declared_together(given: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declared("lab-small", parse(given))

    assert complaint in str(refused.value)


def test_the_page_lists_each_violation_with_its_rows() -> None:
    page = (ROOT / "docs" / "data-plane.md").read_text(encoding="utf-8")

    for name, one in VIOLATIONS.items():
        must, should = (", ".join(map(str, numbers)) or "none" for numbers in (one.must, one.should))
        assert f"| `{name}`: {one.about} | {must} | {should} |\n" in page
