"""What our own data plane decides for Services of the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.data_plane.decisions import Client, ThisNode, Unserved
from tests.lab.data_plane.services import Kind, ServiceEndpoint, read_ports
from tests.unit.topologies.lab.service_objects import (
    BOTH,
    INNER,
    LB_IP,
    LOCAL,
    N1,
    N3,
    TERMINATING,
    WEB_A,
    WEB_B,
    decisions,
    endpoint,
    endpoint_slice,
    service,
)


def served(node: ThisNode, kind: Kind, client: Client, *slices: dict[str, Any], **spec: Any) -> list[str] | Unserved:
    """Return the addresses that serve, or what a client gets without one."""
    one = decisions(node, *(slices or (BOTH,)), **spec)[kind, client]
    return [endpoint.address for endpoint in one.endpoints] or one.unserved


EVERY = [WEB_A[0], WEB_B[0]]
REFUSE, DROP = Unserved.REFUSE, Unserved.DROP


@pytest.mark.parametrize(
    ("row", "node", "kind", "client", "spec", "wanted"),
    [
        (1, N3, Kind.CLUSTER_IP, Client.POD, {}, EVERY),
        (4, N3, Kind.CLUSTER_IP, Client.NODE, {}, EVERY),
        (21, N3, Kind.NODE_PORT, Client.OUTSIDE, {}, EVERY),
        (28, N1, Kind.NODE_PORT, Client.OUTSIDE, LOCAL, [WEB_A[0]]),
        (29, N3, Kind.NODE_PORT, Client.OUTSIDE, LOCAL, REFUSE),
        (33, N3, Kind.NODE_PORT, Client.POD, LOCAL, REFUSE),
        (33, N1, Kind.NODE_PORT, Client.POD, LOCAL, [WEB_A[0]]),
        (34, N3, Kind.NODE_PORT, Client.NODE, LOCAL, EVERY),
        (35, N3, Kind.LB_IP, Client.POD, LOCAL, EVERY),
        (35, N3, Kind.LB_IP, Client.NODE, LOCAL, EVERY),
        (96, N3, Kind.EXTERNAL_IP, Client.POD, LOCAL, EVERY),
        (44, N1, Kind.CLUSTER_IP, Client.POD, INNER, [WEB_A[0]]),
        (45, N3, Kind.CLUSTER_IP, Client.POD, INNER, REFUSE),
        (94, N3, Kind.CLUSTER_IP, Client.NODE, INNER, REFUSE),
        (48, N3, Kind.NODE_PORT, Client.OUTSIDE, INNER, EVERY),
        (49, N3, Kind.NODE_PORT, Client.POD, INNER, REFUSE),
        (49, N1, Kind.EXTERNAL_IP, Client.NODE, INNER, [WEB_A[0]]),
        (50, N3, Kind.CLUSTER_IP, Client.POD, LOCAL, EVERY),
        (98, N1, Kind.EXTERNAL_IP, Client.OUTSIDE, {}, EVERY),
    ],
)
def test_each_client_gets_what_the_row_promises(  # noqa: PLR0913 - the columns of a table
    row: int, node: ThisNode, kind: Kind, client: Client, spec: dict[str, Any], wanted: list[str] | Unserved
) -> None:
    assert served(node, kind, client, **spec) == wanted, row


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("client", Client)
def test_without_endpoints_only_a_pod_at_a_cluster_ip_is_refused(kind: Kind, client: Client) -> None:
    if kind is Kind.CLUSTER_IP and client is Client.OUTSIDE:
        assert (kind, client) not in decisions(N1)  # row 5: left alone
        return
    is_promised = kind is Kind.CLUSTER_IP and client is Client.POD

    assert served(N1, kind, client, endpoint_slice()) is (REFUSE if is_promised else DROP)


def test_terminating_endpoints_serve_in_the_policys_scope_if_no_other_does() -> None:
    one_of_two = endpoint_slice(endpoint(*WEB_A, **TERMINATING), endpoint(*WEB_B))
    gone = endpoint_slice(endpoint(*WEB_A, conditions={"ready": False, "serving": False, "terminating": True}))
    outside = (Kind.NODE_PORT, Client.OUTSIDE)

    assert served(N1, *outside, one_of_two) == [WEB_B[0]]  # row 51
    assert served(N1, *outside, one_of_two, **LOCAL) == [WEB_A[0]]  # row 55
    assert served(N1, *outside, endpoint_slice(endpoint(*WEB_A, **TERMINATING))) == [WEB_A[0]]  # row 53
    assert served(N1, *outside, gone) is DROP  # row 56


def test_traffic_distribution_prefers_near_endpoints_and_a_local_policy_has_precedence() -> None:
    hints = [{"forNodes": [{"name": node}]} for node in ("n1", "n2")]
    hinted = endpoint_slice(endpoint(*WEB_A, hints=hints[0]), endpoint(*WEB_B, hints=hints[1]))
    half = endpoint_slice(endpoint(*WEB_A, hints=hints[0]), endpoint(*WEB_B))
    zones = [{"forZones": [{"name": zone}]} for zone in ("a", "b")]
    by_zone = endpoint_slice(endpoint(*WEB_A, hints=zones[0]), endpoint(*WEB_B, hints=zones[1]))
    moved = endpoint_slice(endpoint(WEB_A[0], "n3", hints=hints[0]), endpoint(*WEB_B, hints=hints[1]))

    assert served(N1, Kind.CLUSTER_IP, Client.POD, hinted) == [WEB_A[0]]
    assert served(N3, Kind.CLUSTER_IP, Client.POD, hinted) == EVERY
    assert served(N1, Kind.CLUSTER_IP, Client.POD, half) == EVERY
    assert served(N3, Kind.CLUSTER_IP, Client.POD, moved, **INNER) == [WEB_A[0]]  # row 66: its hint names n1
    [port] = read_ports([service()], [by_zone], "n3", "b")
    assert [one.address for one in port.endpoints if not one.distant] == [WEB_B[0]]


def test_labels_types_and_slices_of_others_are_left_alone() -> None:
    labelled = service()
    labelled["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "another"}
    outside = service(type="ExternalName")
    headless = service(clusterIP="None")
    by_hostname = service()
    by_hostname["status"]["loadBalancer"]["ingress"] = [{"hostname": "lb.example"}, {"ip": LB_IP, "ipMode": "Proxy"}]
    v6 = {**BOTH, "addressType": "IPv6"}

    assert read_ports([labelled, outside, headless], [BOTH], "n1") == []
    [port] = read_ports([by_hostname], [v6, endpoint_slice(endpoint(*WEB_A), name="other")], "n1")
    assert (port.lb_ips, port.endpoints) == ((), ())


def test_endpoint_slices_of_1_20_have_the_node_in_their_topology() -> None:
    old = {"addresses": [WEB_A[0]], "topology": {"kubernetes.io/hostname": "n1"}, "conditions": {"ready": True}}
    [port] = read_ports([service()], [endpoint_slice(old)], "n1")

    assert port.endpoints == (ServiceEndpoint(WEB_A[0], 8080, "n1"),)
