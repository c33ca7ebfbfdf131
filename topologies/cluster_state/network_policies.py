"""Which pods NetworkPolicies restrict. Pure.

The expectation is made of kube-proxy's rules and knows no policy. So a pod whose packets a policy may drop makes its
cells inconclusive. Policies add up: what one allows is allowed, so a policy that allows everything lifts the others
(https://kubernetes.io/docs/concepts/services-networking/network-policies/). hostNetwork pods are not selected: what
policies do to them is not defined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.cluster_state.api_fields import get_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kubernetes import client

NEXT_STEP = "Delete it, allow everything for pods with app.kubernetes.io/name: hairpin, or use another namespace"
INGRESS, EGRESS = "Ingress", "Egress"


def find_restricted(
    policies: Iterable[client.V1NetworkPolicy], pods: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the reason for each pod that a policy restricts.

    Args:
        policies: Those of the run's namespace.
        pods: The labels of its pods that are not on the host network, by name.

    """
    listed = list(policies)
    found: dict[str, str] = {}
    for name, labels in pods.items():
        selecting = [policy for policy in listed if _selects(policy, labels)]
        opened = {direction for policy in selecting for direction in _directions(policy, opened=True)}
        for policy in selecting:
            if left := [one for one in _directions(policy, opened=False) if one not in opened]:
                directions = " and ".join(left)
                reason = f"NetworkPolicy {get_name(policy)} restricts {directions} of pod {name}. {NEXT_STEP}"
                found.setdefault(name, reason)
    return found


def _directions(policy: client.V1NetworkPolicy, *, opened: bool) -> list[str]:
    """Return the directions of a policy in which it allows everything (`opened`), or those in which it does not."""
    spec = policy.spec
    if spec is None:
        return []
    types = spec.policy_types or [INGRESS, *([EGRESS] if spec.egress else [])]
    open_in = any(not rule._from and not rule.ports for rule in spec.ingress or [])  # noqa: SLF001 - `from` in Python
    open_out = any(not rule.to and not rule.ports for rule in spec.egress or [])
    return [name for name, is_open in ((INGRESS, open_in), (EGRESS, open_out)) if name in types and is_open is opened]


def _selects(policy: client.V1NetworkPolicy, labels: Mapping[str, str]) -> bool:
    selector = policy.spec.pod_selector if policy.spec else None
    if selector is None:
        return True
    wanted = (selector.match_labels or {}).items()
    return wanted <= labels.items() and all(_matches(one, labels) for one in selector.match_expressions or [])


def _matches(expression: client.V1LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value, options = labels.get(expression.key or ""), expression.values or []
    return {
        "In": value is not None and value in options,
        "NotIn": value not in options,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(expression.operator or "", True)
