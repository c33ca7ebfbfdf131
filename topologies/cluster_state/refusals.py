"""Recognise what refuses a pod: an admission controller, a policy, a quota, a registry. Pure; texts of the API.

The texts are those of Kubernetes (plugin/pkg/admission, pkg/apis/core, pkg/kubelet/images) and of the common webhooks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """What refused an object, and the next step.

    `one_pod`: it concerns this pod's own settings, so that other pods of the run may be admitted.
    """

    by: str
    next_step: str
    one_pod: bool = False

    def __str__(self) -> str:
        return f"Refused by {self.by}. {self.next_step}"


HOSTED = (
    "hostNetwork pods need a namespace that allows them: label it pod-security.kubernetes.io/enforce=privileged, or "
    "leave out the vantages of kind node and the backends with host_network"
)
# In this order: a webhook's own text may contain any of the others
KNOWN: tuple[tuple[str, str, str, bool], ...] = (
    (
        r"failed calling webhook \"?([^\":]+)",
        "the admission webhook {0}, which does not answer",
        "Its own pods are down or not reachable: repair it, or exempt the namespace",
        False,
    ),
    (
        r"admission webhook \"([^\"]*kyverno[^\"]*)\" denied the request",
        "a Kyverno policy ({0})",
        "The message names the policy: meet it with `pods:` in the topology, or exempt the namespace",
        True,
    ),
    (
        r"admission webhook \"([^\"]*gatekeeper[^\"]*)\" denied the request: ?\[?([^\]\s]*)",
        "the Gatekeeper constraint {1}",
        "Meet it with `pods:` in the topology, or exempt the namespace",
        True,
    ),
    (
        r"admission webhook \"([^\"]+)\" denied the request",
        "the admission webhook {0}",
        "Meet its rule with `pods:` in the topology, or exempt the namespace",
        True,
    ),
    (
        r"ValidatingAdmissionPolicy '([^']+)'",
        "the ValidatingAdmissionPolicy {0}",
        "Meet its rule with `pods:` in the topology, or exempt the namespace",
        True,
    ),
    (r"violates PodSecurity \"([^\"]+)\"", "Pod Security {0}", HOSTED, True),
    (
        r"PodSecurityPolicy: (?:unable|no providers)|unable to (?:admit|validate against any) pod security policy",
        "PodSecurityPolicy",
        "Let the service account of the namespace use a policy that allows hostNetwork and its ports",
        True,
    ),
    (
        r"unable to validate against any security context constraint",
        "OpenShift's security context constraints",
        "Set pods.run_as_user: null, and grant hostnetwork-v2 to the namespace's service account for hostNetwork pods",
        True,
    ),
    (
        r"exceeded quota: ([^,]+)",
        "the ResourceQuota {0}",
        "Lower pods.resources, declare fewer backends and vantages, or raise the quota",
        False,
    ),
    (
        r"failed quota: ([^:]+): must specify ([^:;]+)",
        "the ResourceQuota {0}, which requires {1}",
        "Declare it in pods.resources",
        False,
    ),
    (
        r"(?:minimum|maximum) (\S+) usage per (?:Container|Pod) is|max limit to request ratio",
        "a LimitRange",
        "Set pods.resources to values that it allows",
        False,
    ),
    (
        r"error looking up service account [^:]*: serviceaccounts? \"([^\"]+)\" not found",
        "the ServiceAccount admission: there is no ServiceAccount {0}",
        "Create it in the namespace, or correct pods.service_account",
        False,
    ),
    (
        r"no PriorityClass with name (\S+) was found",
        "admission: no PriorityClass {0}",
        "Correct pods.priority_class",
        False,
    ),
    (r"RuntimeClass \"?([^\"\s]+)\"? not found", "admission: no RuntimeClass {0}", "Correct pods.runtime_class", False),
    (
        r"namespaces? \"([^\"]+)\" not found",
        "the API: there is no namespace {0}",
        "Create it: kubectl create namespace, or leave --namespace out",
        False,
    ),
    (
        r"\" already exists",
        "the API: another object has this name",
        "If an earlier run left it: hairpin clean --namespace NS. If not, use another namespace",
        False,
    ),
    (
        r"is forbidden: User \"([^\"]+)\" cannot",
        "RBAC: the rights of {0}",
        "`hairpin rbac` prints the rights that a run needs",
        False,
    ),
)
LOGIN = "The registry requires a login: name a Secret in pods.image_pull_secrets, and its namespace in --namespace"
IMAGE_HINTS: tuple[tuple[str, str], ...] = (
    (
        r"unauthorized|authentication required|no basic auth|403 Forbidden|denied|401",
        LOGIN,
    ),
    (
        r"no match(?:ing manifest)? for platform|no matching manifest",
        "The image does not exist for the node's architecture: leave the node out, or push a multi-arch image",
    ),
    (
        r"not found|manifest unknown|NotFound|name unknown",
        "The registry has no such image: correct images.agnhost",
    ),
    (
        r"no such host|i/o timeout|connection refused|deadline exceeded|x509|TLS|no route to host",
        "The node does not reach the registry: name one that it reaches in images.agnhost",
    ),
    (r"ErrImageNeverPull|never pull", "The node does not have the image: set images.pull_policy: IfNotPresent"),
)
NOT_THIS_PLATFORM = re.compile("exec format error")


def recognise(message: str) -> Refusal | None:
    """Return what refused an object by the API's message; None if it is not known."""
    for pattern, by, next_step, one_pod in KNOWN:
        if match := re.search(pattern, message):
            return Refusal(by.format(*(part or "" for part in match.groups())), next_step, one_pod)
    return None


def image_hint(message: str) -> str:
    """Return the next step for an image that cannot be pulled; an empty string if the reason is not known."""
    return next((hint for pattern, hint in IMAGE_HINTS if re.search(pattern, message)), "")


def secret_hint(hint: str, secrets: tuple[str, ...], namespace: str) -> str:
    """Return the next step of `image_hint`, with what may be wrong with the Secrets that are declared."""
    if hint != LOGIN or not secrets:
        return hint
    named = f"a Secret {', '.join(secrets)} in {namespace}"
    return f"The registry refuses the login: is there {named}, for this registry? kubelet ignores one that is missing"
