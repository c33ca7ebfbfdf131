"""What a balancer tells and keeps to itself, from the manifest to the snapshot."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from topologies.cluster import api_objects, manifests
from topologies.cluster_state.snapshot import declared
from topologies.frontends import Frontend, FrontendKind, resolve
from topologies.loading.load import load

TOPOLOGY = load("lab-balancer")
SNAPSHOT = declared(TOPOLOGY)


def test_a_hostname_in_the_status_hides_the_address_from_kube_proxy_alone() -> None:
    state = SNAPSHOT.services["web-out"]

    assert state.load_balancer_ip is None
    assert state.load_balancer_hostname == "web-out.lb.hairpin.local"
    assert resolve(Frontend("web-out", FrontendKind.LOAD_BALANCER), TOPOLOGY, SNAPSHOT).address == state.balanced_at


def test_a_shared_address_is_one() -> None:
    beside, owner = SNAPSHOT.services["solo-beside"], SNAPSHOT.services["web-lb"]

    assert beside.load_balancer_ip == owner.load_balancer_ip
    assert beside.port != owner.port


@pytest.mark.parametrize(("listener", "port"), [("ingress", 443), ("range", 85)])
def test_a_listener_is_asked_at_its_last_port(listener: str, port: int) -> None:
    frontend = Frontend("web-lb", FrontendKind.LOAD_BALANCER, declared=False, listener=listener)

    assert resolve(frontend, TOPOLOGY, SNAPSHOT).port == port
    assert frontend.label == f"loadbalancer.{listener}"


def test_the_manifests_carry_what_the_api_has_no_field_for() -> None:
    notes = {one["metadata"]["name"]: one["metadata"].get("annotations") for one in manifests.services(TOPOLOGY, "x")}

    assert notes["web-lb"] is None
    assert notes["web-out"] == {manifests.STATUS_ANNOTATION: "hostname"}
    assert notes["solo-beside"] == {manifests.SHARES_ANNOTATION: "web-lb"}


@pytest.mark.parametrize(
    ("ingress", "address"),
    [({"hostname": "x", "ip": None}, "198.18.100.7"), ({"hostname": None, "ip": "198.18.100.7"}, None)],
)
def test_the_address_beside_a_hostname_is_read_from_the_annotation(
    ingress: dict[str, Any], address: str | None
) -> None:
    metadata = SimpleNamespace(annotations={manifests.ADDRESS_ANNOTATION: "198.18.100.7"})
    service, status = cast("Any", SimpleNamespace(metadata=metadata)), cast("Any", SimpleNamespace(**ingress))
    found = api_objects._annotated_address(service, status)

    assert found == (IPv4Address(address) if address else None)
