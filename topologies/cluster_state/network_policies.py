"""Which pods NetworkPolicies restrict. Pure.

The expectation is made of kube-proxy's rules and knows no policy. So a pod whose packets a policy may drop makes its
cells inconclusive. A policy that allows everything restricts nothing. hostNetwork pods are not selected: what policies
do to them is not defined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.cluster_state.api_fields import get_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kubernetes import client

NEXT_STEP = "Delete it, exempt the label app.kubernetes.io/name: hairpin, or use another namespace"
INGRESS, EGRESS = "Ingress", "Egress"


def find_restricted(
    policies: Iterable[client.V1NetworkPolicy], pods: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the reason for each pod that a policy restricts.

    Args:
        policies: Those of the run's namespace.
        pods: The labels of its pods that are not on the host network, by name.

    """
    found: dict[str, str] = {}
    for policy in policies:
        directions = " and ".join(_restricted_directions(policy))
        selected = [name for name, labels in pods.items() if directions and _selects(policy, labels)]
        for name in selected:
            reason = f"NetworkPolicy {get_name(policy)} restricts {directions} of pod {name}. {NEXT_STEP}"
            found.setdefault(name, reason)
    return found


def _restricted_directions(policy: client.V1NetworkPolicy) -> list[str]:
    """Return the directions that the policy isolates without allowing everything again."""
    spec = policy.spec
    if spec is None:
        return []
    types = spec.policy_types or [INGRESS, *([EGRESS] if spec.egress else [])]
    open_in = any(not rule._from and not rule.ports for rule in spec.ingress or [])  # noqa: SLF001 - `from` in Python
    open_out = any(not rule.to and not rule.ports for rule in spec.egress or [])
    return [name for name, is_open in ((INGRESS, open_in), (EGRESS, open_out)) if name in types and not is_open]


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
