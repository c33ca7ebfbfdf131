"""Which pods a NetworkPolicy restricts: by its selector, its directions, and what it allows again."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from topologies.cluster_state.network_policies import find_restricted

PODS = {
    "web-a": {"app.kubernetes.io/name": "hairpin", "hairpin/app": "web"},
    "pod-n1": {"app.kubernetes.io/name": "hairpin", "hairpin/app": "prober"},
}


def policy(**spec: Any) -> client.V1NetworkPolicy:
    made = {"pod_selector": client.V1LabelSelector(), **spec}
    return client.V1NetworkPolicy(metadata=client.V1ObjectMeta(name="deny"), spec=client.V1NetworkPolicySpec(**made))


def selector(**match: Any) -> client.V1LabelSelector:
    return client.V1LabelSelector(**match)


def requirement(key: str, operator: str, *values: str) -> client.V1LabelSelector:
    one = client.V1LabelSelectorRequirement(key=key, operator=operator, values=list(values))
    return client.V1LabelSelector(match_expressions=[one])


ANY = client.V1NetworkPolicyIngressRule()
SOME = client.V1NetworkPolicyIngressRule(ports=[client.V1NetworkPolicyPort(port=80)])
ANY_OUT, SOME_OUT = (
    client.V1NetworkPolicyEgressRule(),
    client.V1NetworkPolicyEgressRule(ports=[client.V1NetworkPolicyPort()]),
)


@pytest.mark.parametrize(
    ("spec", "restricted"),
    [
        ({"policy_types": ["Ingress"]}, {"web-a": "Ingress", "pod-n1": "Ingress"}),
        ({}, {"web-a": "Ingress", "pod-n1": "Ingress"}),
        ({"policy_types": ["Ingress", "Egress"]}, dict.fromkeys(PODS, "Ingress and Egress")),
        ({"policy_types": ["Egress"]}, dict.fromkeys(PODS, "Egress")),
        ({"ingress": [ANY]}, {}),
        ({"ingress": [SOME]}, dict.fromkeys(PODS, "Ingress")),
        ({"ingress": [SOME, ANY]}, {}),
        ({"ingress": [ANY], "egress": [SOME_OUT]}, dict.fromkeys(PODS, "Egress")),
        ({"ingress": [ANY], "egress": [ANY_OUT]}, {}),
        ({"pod_selector": selector(match_labels={"hairpin/app": "web"})}, {"web-a": "Ingress"}),
        ({"pod_selector": selector(match_labels={"team": "x"})}, {}),
        ({"pod_selector": requirement("hairpin/app", "In", "web", "x")}, {"web-a": "Ingress"}),
        ({"pod_selector": requirement("hairpin/app", "NotIn", "web")}, {"pod-n1": "Ingress"}),
        ({"pod_selector": requirement("hairpin/app", "Exists")}, dict.fromkeys(PODS, "Ingress")),
        ({"pod_selector": requirement("app.kubernetes.io/name", "DoesNotExist")}, {}),
    ],
)
def test_a_policy_restricts_the_pods_that_it_selects(spec: dict[str, Any], restricted: dict[str, str]) -> None:
    found = find_restricted([policy(**spec)], PODS)

    assert {name: reason.partition(" of pod")[0] for name, reason in found.items()} == {
        name: f"NetworkPolicy deny restricts {directions}" for name, directions in restricted.items()
    }


def test_a_policy_that_allows_everything_lifts_another() -> None:
    """Policies add up: https://kubernetes.io/docs/concepts/services-networking/network-policies/."""
    web = selector(match_labels={"hairpin/app": "web"})
    deny = policy(policy_types=["Ingress", "Egress"])

    lifted = find_restricted([deny, policy(pod_selector=web, ingress=[ANY])], PODS)
    assert lifted["web-a"].startswith("NetworkPolicy deny restricts Egress of pod web-a")
    assert lifted["pod-n1"].startswith("NetworkPolicy deny restricts Ingress and Egress of pod pod-n1")

    both = policy(pod_selector=web, policy_types=["Ingress", "Egress"], ingress=[ANY], egress=[ANY_OUT])
    assert set(find_restricted([deny, both], PODS)) == {"pod-n1"}


def test_a_rule_of_another_direction_than_the_policys_lifts_nothing() -> None:
    deny, out = policy(policy_types=["Ingress"]), policy(policy_types=["Egress"], ingress=[ANY], egress=[ANY_OUT])

    assert set(find_restricted([deny, out], PODS)) == set(PODS)
