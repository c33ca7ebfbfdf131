"""The settings of a run's pods: what a cluster's admission, quotas and registries require of every pod.

Each field's docstring is its row in docs/topology.md (`python -m topologies.loading.key_tables`).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from topologies.schema import limits
from topologies.schema.network import Model
from topologies.schema.scalars import DNS_SUBDOMAIN, SUBDOMAIN_LENGTH, Accepted, Text, Whole, refused

LABEL_KEY = r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
QUANTITY = r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?"
OWN_KEYS = r"hairpin/.*|app\.kubernetes\.io/(?:name|managed-by)"  # by which a run finds its pods
NOBODY = 65534
UID_MAX = 2**31 - 1
NO_INJECTION = {"sidecar.istio.io/inject": "false"}  # a proxy in the pod would answer in its place
NO_INJECTION_NOTES = {**NO_INJECTION, "linkerd.io/inject": "disabled", "kuma.io/sidecar-injection": "disabled"}
REQUESTS = {"cpu": "10m", "memory": "32Mi"}
LIMITS = {"cpu": "500m", "memory": "256Mi"}
NOTHING: dict[str, str] = {}
WANT_LABELS = "a mapping of label keys to text values, none of Hairpin's own keys"
WANT_NOTES = "a mapping of annotation keys to text values"
WANT_QUANTITIES = "a mapping of resources to quantities such as 100m or 64Mi"


def _labels(value: object) -> object:
    _check_mapping(value, LABEL_KEY, LABEL_VALUE, WANT_LABELS)
    if isinstance(value, dict) and (own := [key for key in value if re.fullmatch(OWN_KEYS, key)]):
        raise refused(WANT_LABELS, f"the key {own[0]}")
    return value


def _annotations(value: object) -> object:
    _check_mapping(value, LABEL_KEY, r"(?s:.{0,65536})", WANT_NOTES)
    return value


def _quantities(value: object) -> object:
    """Read numbers as text: `cpu: 1` is a number in YAML."""
    if isinstance(value, dict):
        value = {
            key: str(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else one
            for key, one in value.items()
        }
    _check_mapping(value, LABEL_KEY, QUANTITY, WANT_QUANTITIES)
    return value


def _check_mapping(value: object, key: str, text: str, want: str) -> None:
    """Raise the complaint if it is no mapping of such keys to such texts."""
    if not isinstance(value, dict) or len(value) > limits.LISTENERS:
        raise refused(want)
    for name, one in value.items():
        if not isinstance(name, str) or not re.fullmatch(key, name, re.ASCII):
            raise refused(want, f"the key {str(name)[:80]!r}")
        if not isinstance(one, str) or not re.fullmatch(text, one):
            quoted = f"{want}; numbers, true and false in quotes"
            raise refused(quoted, f"{str(one)[:80]!r} for {name}")


ObjectName = Annotated[
    str,
    Field(pattern=DNS_SUBDOMAIN, max_length=SUBDOMAIN_LENGTH),
    Accepted("an object's name: a DNS subdomain, at most 253 characters"),
]
Labels = Annotated[dict[str, str], BeforeValidator(_labels), Accepted(WANT_LABELS)]
Annotations = Annotated[dict[str, str], BeforeValidator(_annotations), Accepted(WANT_NOTES)]
Quantities = Annotated[dict[str, str], BeforeValidator(_quantities), Accepted(WANT_QUANTITIES)]


class Resources(Model):
    """The resources of each pod's container. A quota or LimitRange may require both."""

    requests: Quantities = REQUESTS
    """`resources.requests`. `{}` means none."""
    limits: Quantities = LIMITS
    """`resources.limits`. `{}` means none. A CPU limit below 200m slows the clients down."""


class Toleration(Model):
    """A toleration as in `spec.tolerations`."""

    key: Text = ""
    """`key`. Empty means every taint, with operator `Exists`."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`operator`."""
    value: Text = ""
    """`value`, with operator `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """`effect`. Default: every effect."""


class PodSettings(Model):
    """What every pod of a run carries besides what Hairpin needs."""

    labels: Labels = NOTHING
    """Labels of every pod. `sidecar.istio.io/inject: "false"` is always there, unless it is given."""
    annotations: Annotations = NOTHING
    """Annotations of every pod. Those that keep the sidecars of Istio, Linkerd and Kuma out are always there, unless
    they are given."""
    image_pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=limits.LISTENERS)] = ()
    """Names of Secrets in the namespace. They need `--namespace`: a run's own namespace is new and has none."""
    service_account: ObjectName | None = None
    """`serviceAccountName`. Needs `--namespace`, as above. Its token is never mounted."""
    resources: Resources = Resources()
    """Requests and limits of each container."""
    node_selector: Labels = NOTHING
    """`nodeSelector`. Pods are pinned to nodes by name; kubelet refuses one whose node lacks these labels."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=limits.LISTENERS)] = (Toleration(),)
    """`tolerations`. The default tolerates every taint."""
    priority_class: ObjectName | None = None
    """`priorityClassName`."""
    runtime_class: ObjectName | None = None
    """`runtimeClassName`."""
    run_as_user: Annotated[Whole, Field(ge=1, le=UID_MAX)] | None = NOBODY
    """`runAsUser`. `null` leaves it to the cluster (OpenShift assigns it, and refuses any other)."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())
