"""Violations of the contract, planted on purpose (`--violate NAME`). Each changes decisions. Pure.

A violation that breaks a must breaks no other must than those it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.lab.data_plane.decisions import Client, SourceNat, select
from tests.lab.data_plane.services import Kind

if TYPE_CHECKING:
    from tests.lab.data_plane.decisions import Decision, ThisNode

Change = Callable[[list["Decision"], "ThisNode"], Iterable["Decision"]]
BROKEN_NODE = "n3"
ENTRANCES = (Kind.LB_IP, Kind.EXTERNAL_IP)


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation. `must`, `should`: the numbers of the rows that it breaks, by their level in 1.37."""

    about: str
    change: Change
    must: tuple[int, ...]
    should: tuple[int, ...] = ()


def _each(wanted: Callable[[Decision], bool], change: Callable[[Decision, ThisNode], Decision | None]) -> Change:
    """Return the change of those decisions that are wanted. A decision that becomes None is left out."""

    def apply(decisions: list[Decision], node: ThisNode) -> Iterable[Decision]:
        changed = (change(one, node) if wanted(one) else one for one in decisions)
        return [one for one in changed if one is not None]

    return apply


def _is_local_outside(one: Decision) -> bool:
    return one.client is Client.OUTSIDE and one.port.external_local


def _leave_out(_one: Decision, _node: ThisNode) -> None:
    return None


def _serve_all(one: Decision, _node: ThisNode) -> Decision:
    return replace(one, endpoints=one.endpoints or select(one.port))


def _serve_local(one: Decision, node: ThisNode) -> Decision:
    return replace(one, endpoints=select(one.port, node.name))


def _forget_affinity(one: Decision, _node: ThisNode) -> Decision:
    return replace(one, port=replace(one.port, affinity_s=0))


def _exchange_backend(decisions: list[Decision], _node: ThisNode) -> Iterable[Decision]:
    """Give the ClusterIP of Service `web` an endpoint of Service `host`."""
    wrong = next((one.port.endpoints for one in decisions if one.port.service.endswith("/host")), ())
    hit = [one.kind is Kind.CLUSTER_IP and one.port.service.endswith("/web") for one in decisions]
    return [
        replace(one, endpoints=(*one.endpoints, *wrong)) if is_hit else one
        for one, is_hit in zip(decisions, hit, strict=True)
    ]


VIOLATIONS: dict[str, Violation] = {
    "masquerade-local": Violation(
        "externalTrafficPolicy Local replaces the source of clients outside.",
        _each(_is_local_outside, lambda one, _: replace(one, source_nat=SourceNat.ALL)),
        must=(28,),
        should=(31, 71, 79),
    ),
    "serve-without-local": Violation(
        "With externalTrafficPolicy Local, nodes without an endpoint serve those of other nodes.",
        _each(_is_local_outside, _serve_all),
        must=(29,),
        should=(32, 72),
    ),
    "forget-clusterip-affinity": Violation(
        "sessionAffinity has no effect at a ClusterIP.",
        _each(lambda one: one.kind is Kind.CLUSTER_IP, _forget_affinity),
        must=(15,),
    ),
    "forget-nodeport-affinity": Violation(
        "sessionAffinity has no effect at a NodePort.",
        _each(lambda one: one.kind is Kind.NODE_PORT, _forget_affinity),
        must=(16,),
        should=(80,),
    ),
    "external-policy-at-clusterip": Violation(
        "externalTrafficPolicy Local applies at the ClusterIP.",
        _each(lambda one: one.kind is Kind.CLUSTER_IP and one.port.external_local, _serve_local),
        must=(50,),
        should=(2, 4, 74),
    ),
    "no-nodeport-on-one-node": Violation(
        f"{BROKEN_NODE} serves no NodePort with externalTrafficPolicy Cluster.",
        lambda decisions, node: [
            one
            for one in decisions
            if node.name != BROKEN_NODE or one.kind is not Kind.NODE_PORT or one.port.external_local
        ],
        must=(16, 20, 21, 48, 78),
        should=(23, 75, 80, 92, 93),
    ),
    "local-lb-ip-from-inside": Violation(
        "externalTrafficPolicy Local applies to pods and nodes at a load balancer IP.",
        _each(
            lambda one: one.kind is Kind.LB_IP and one.port.external_local and one.client is not Client.OUTSIDE,
            _serve_local,
        ),
        must=(35,),
        should=(36,),
    ),
    "serve-internal-from-elsewhere": Violation(
        "With internalTrafficPolicy Local, a ClusterIP is served from other nodes if no endpoint is local.",
        _each(lambda one: one.kind is Kind.CLUSTER_IP and one.port.internal_local, _serve_all),
        must=(45,),
        should=(94, 95),
    ),
    "ignore-external-ips": Violation(
        "externalIPs are not served.",
        _each(lambda one: one.kind is Kind.EXTERNAL_IP, _leave_out),
        must=(61, 96, 98),
    ),
    "backend-of-another-service": Violation(
        "The ClusterIP of Service web is also served by the endpoint of Service host.",
        _exchange_backend,
        must=(1,),
        should=(2, 3, 4, 74),
    ),
    "internal-policy-outside": Violation(
        "internalTrafficPolicy Local applies to clients outside, as in kube-proxy 1.22 and 1.23.",
        _each(lambda one: one.client is Client.OUTSIDE and one.port.internal_local, _serve_local),
        must=(48,),
    ),
    "no-lb-ip-from-inside": Violation(
        "Load balancer IPs with externalTrafficPolicy Cluster are not served to pods.",
        _each(
            lambda one: one.kind is Kind.LB_IP and not one.port.external_local and one.client is Client.POD,
            lambda one, _: replace(one, endpoints=()),
        ),
        must=(37,),
    ),
}
