from __future__ import annotations

from ipaddress import IPv4Address

from topologies.lab.load_balancer.config import ForwardingRule, pools

LB = IPv4Address("198.18.100.1")
NODES = {IPv4Address("198.18.1.11"): "n1", IPv4Address("198.18.1.12"): "n2"}


def service(name: str, port: int) -> dict[str, object]:
    return {"metadata": {"namespace": "ns", "name": name}, "spec": {"ports": [{"port": port}]}}


def test_a_pool_is_reported_for_each_service_even_if_two_share_an_address() -> None:
    services = [service("web", 80), service("shares", 81), service("none", 82), service("no-balancer", 80)]
    given = {"ns/web": LB, "ns/shares": LB, "ns/none": LB}
    made = [ForwardingRule(LB, "tcp", 80, 30080, tuple(NODES)), ForwardingRule(LB, "tcp", 81, 30081, tuple(NODES)[1:])]

    assert pools(services, given, [*made, ForwardingRule(LB, "tcp", 82, 30082, ())], NODES) == {
        "ns/web": "n1 n2",
        "ns/shares": "n2",
        "ns/none": "",
    }
