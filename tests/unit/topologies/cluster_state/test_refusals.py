"""The texts with which clusters refuse pods: each is recognised, named once, and has a next step."""

from __future__ import annotations

import pytest

from topologies.cluster_state.refusals import image_hint, recognise, secret_hint

POD = 'pods "host-n1" is forbidden: '
DENIED = "denied the request: "
REFUSALS = [
    (
        POD
        + 'violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true), hostPort (container "agnhost" '
        "uses hostPorts 9090)",
        "Pod Security restricted:latest",
        "pod-security.kubernetes.io/enforce=privileged",
    ),
    (
        POD + "PodSecurityPolicy: unable to admit pod: [spec.securityContext.hostNetwork: Invalid value]",
        "PodSecurityPolicy",
        "service account",
    ),
    (
        POD + "unable to validate against any security context constraint: [provider restricted: .spec.securityContext."
        "hostNetwork: Invalid value: true]",
        "OpenShift's security context constraints",
        "run_as_user: null",
    ),
    (
        POD + "exceeded quota: compute, requested: limits.cpu=500m, used: limits.cpu=4, limited: limits.cpu=4",
        "the ResourceQuota compute",
        "pods.resources",
    ),
    (
        POD + "failed quota: compute: must specify limits.cpu for: agnhost; limits.memory for: agnhost",
        "the ResourceQuota compute, which requires limits.cpu for",
        "pods.resources",
    ),
    (POD + "maximum memory usage per Container is 128Mi, but limit is 256Mi", "a LimitRange", "pods.resources"),
    (POD + "minimum cpu usage per Container is 50m, but request is 10m", "a LimitRange", "pods.resources"),
    (
        f'admission webhook "validate.kyverno.svc-fail" {DENIED}resource Pod/x/host-n1 was blocked by no-host',
        "a Kyverno policy (validate.kyverno.svc-fail)",
        "pods:",
    ),
    (
        f'admission webhook "validation.gatekeeper.sh" {DENIED}[psp-host-network-ports] hostNetwork is not allowed',
        "the Gatekeeper constraint psp-host-network-ports",
        "pods:",
    ),
    (
        f'admission webhook "pods.corp.example" {DENIED}label team is required',
        "the admission webhook pods.corp.example",
        "pods:",
    ),
    (
        'Internal error occurred: failed calling webhook "inject.example.io": Post "https://x": deadline exceeded',
        "the admission webhook inject.example.io, which does not answer",
        "repair",
    ),
    (
        "pods x is forbidden: ValidatingAdmissionPolicy 'no-host' with binding 'b' denied request: failed expression",
        "the ValidatingAdmissionPolicy no-host",
        "pods:",
    ),
    (
        POD + 'error looking up service account team/probe: serviceaccount "probe" not found',
        "the ServiceAccount admission: there is no ServiceAccount probe",
        "service_account",
    ),
    (POD + "no PriorityClass with name high was found", "admission: no PriorityClass high", "priority_class"),
    (POD + 'pod rejected: RuntimeClass "gvisor" not found', "admission: no RuntimeClass gvisor", "runtime_class"),
    (
        'pods is forbidden: User "system:serviceaccount:team:hairpin" cannot create resource "pods" in API group ""',
        "RBAC: the rights of system:serviceaccount:team:hairpin",
        "hairpin rbac",
    ),
]


@pytest.mark.parametrize(("message", "by", "next_step"), REFUSALS)
def test_a_refusal_names_who_refused_and_the_next_step(message: str, by: str, next_step: str) -> None:
    refusal = recognise(f"create Pod host-n1 in hairpin-x: the API answered 403 Forbidden: {message}")

    assert refusal is not None
    assert refusal.by == by
    assert next_step in refusal.next_step


def test_what_is_not_known_is_not_guessed() -> None:
    assert recognise("create Pod x: the API answered 500: etcdserver: request timed out") is None


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("ErrImagePull rpc error: pull access denied, repository does not exist or may require authorization", "login"),
        ("ErrImagePull failed to resolve reference: unexpected status: 401 Unauthorized", "login"),
        ("ErrImagePull no match for platform in manifest: not found", "architecture"),
        ("ErrImagePull manifest unknown", "no such image"),
        ("ErrImagePull dial tcp: lookup registry.example: no such host", "does not reach"),
        ("ErrImageNeverPull Container image is not present with pull policy of Never", "pull_policy"),
    ],
)
def test_an_image_that_cannot_be_pulled_has_a_next_step(message: str, hint: str) -> None:
    assert hint in image_hint(message)


def test_an_unknown_reason_has_none() -> None:
    assert image_hint("ErrImagePull something else") == ""


def test_a_login_that_fails_with_a_secret_asks_for_the_secret() -> None:
    login = image_hint("ErrImagePull 401 Unauthorized")

    assert secret_hint(login, (), "team") == login
    assert "is there a Secret registry-login in team" in secret_hint(login, ("registry-login",), "team")
    assert secret_hint(image_hint("manifest unknown"), ("x",), "team") == image_hint("manifest unknown")
