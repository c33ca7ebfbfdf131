"""Pods that a cluster refuses, changes or isolates: what the run does, and what it reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.plan.plan import plan
from tests.unit.support.fake_api import Api, Raw, status
from topologies.cluster.client import ClusterError
from topologies.loading.load import load

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = load("lab-small")
CELLS = plan(TOPOLOGY).cells
POLICIES = "/apis/networking.k8s.io/v1/namespaces/hairpin-x/networkpolicies"
PSA = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)'


def conduct(kubeconfig: Path) -> session.Answers:
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2, balancer_settle=0)
    return session.conduct(TOPOLOGY, CELLS, "x", options, progress=lambda _: None)


def refuse(api: Api, message: str, *, hosted_only: bool) -> None:
    """Let admission refuse all pods, or those on the host network."""

    def answer() -> Raw | None:
        return None if hosted_only and not (api.body or {}).get("spec", {}).get("hostNetwork") else status(403, message)

    api.script["POST .*/pods"] = answer


def test_a_host_network_pod_that_is_refused_costs_only_its_cells(api: Api, kubeconfig: Path) -> None:
    refuse(api, PSA, hosted_only=True)
    answers = conduct(kubeconfig)
    troubles = {cell.vantage.name: answers.observations[cell.id].trouble for cell in CELLS}

    assert answers.snapshot.statuses["host-n1"].not_ready.startswith("it was refused: create Pod host-n1")
    assert "Refused by Pod Security restricted:latest. hostNetwork pods need a namespace" in troubles["host-n1"]
    assert "it was refused" not in "".join(
        answers.observations[cell.id].trouble
        for cell in CELLS
        if cell.vantage.name == "pod-n1" and cell.frontend.service.startswith("web")
    )


def test_a_pod_that_every_run_needs_ends_the_run_with_what_refused_it(api: Api, kubeconfig: Path) -> None:
    refuse(api, PSA, hosted_only=False)

    with pytest.raises(ClusterError, match="Refused by Pod Security restricted:latest") as caught:
        conduct(kubeconfig)
    assert "\n" not in str(caught.value)


def test_a_quota_ends_the_run_also_for_host_network_pods(api: Api, kubeconfig: Path) -> None:
    refuse(api, 'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4', hosted_only=True)

    with pytest.raises(ClusterError, match="Refused by the ResourceQuota small"):
        conduct(kubeconfig)


def test_containers_that_a_webhook_adds_are_noted(api: Api, kubeconfig: Path) -> None:
    def inject(pod: dict[str, Any]) -> None:
        pod["spec"]["containers"].append({"name": "istio-proxy", "image": "x"})

    api.pod_status = inject
    notes = [note for note in conduct(kubeconfig).notes if "istio-proxy" in note]

    assert len(notes) == len({pod.split()[1] for pod in notes}) > 3
    assert notes[0].startswith("pod web-a has containers that an admission webhook added: istio-proxy.")


def deny(**spec: Any) -> Raw:
    policy = {"metadata": {"name": "default-deny"}, "spec": {"podSelector": {}, **spec}}
    return Raw(json.dumps({"kind": "NetworkPolicyList", "apiVersion": "v1", "items": [policy]}).encode())


def test_a_default_deny_policy_makes_the_cells_of_pods_inconclusive(api: Api, kubeconfig: Path) -> None:
    api.script[f"GET {POLICIES}"] = deny(policyTypes=["Ingress"])
    answers = conduct(kubeconfig)

    assert set(answers.snapshot.restricted) == {"web-a", "pod-n1", "pod-n2"}
    troubles = {cell.vantage.name: answers.observations[cell.id].trouble for cell in CELLS}
    assert troubles["pod-n1"].startswith("NetworkPolicy default-deny restricts Ingress of pod ")
    hosted = [cell for cell in CELLS if cell.frontend.service == "host" and cell.vantage.name == "host-n1"]
    assert hosted
    assert not any("NetworkPolicy" in answers.observations[cell.id].trouble for cell in hosted)


def test_policies_that_cannot_be_read_are_one_note(api: Api, kubeconfig: Path) -> None:
    api.script[f"GET {POLICIES}"] = status(403, "networkpolicies is forbidden: User x cannot list resource")
    notes = [note for note in conduct(kubeconfig).notes if "NetworkPolic" in note]

    assert len(notes) == 1
    assert notes[0].startswith("not known whether a NetworkPolicy restricts the pods: list NetworkPolicies")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/apis/crd.projectcalico.org/v1/globalnetworkpolicies", "Calico GlobalNetworkPolicy"),
        ("/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy"),
    ],
)
def test_cluster_wide_policies_are_noted(path: str, kind: str, api: Api, kubeconfig: Path) -> None:
    listed = {"items": [{"metadata": {"name": "deny-all"}}]}
    api.script[f"GET {path}"] = Raw(json.dumps(listed).encode())

    [note] = [note for note in conduct(kubeconfig).notes if "deny-all" in note]
    assert note.startswith(f"{kind} deny-all: if it selects the run's pods, their cells fail")


CALICO = "GET /apis/crd.projectcalico.org/v1/globalnetworkpolicies"


def test_many_cluster_wide_policies_are_counted(api: Api, kubeconfig: Path) -> None:
    """Also if the account may not list NetworkPolicies."""
    api.script[f"GET {POLICIES}"] = status(403, "networkpolicies is forbidden: User x cannot list resource")
    listed = {"items": [{"metadata": {"name": f"team-{number:02}"}} for number in range(30)]}
    api.script[CALICO] = Raw(json.dumps(listed).encode())

    [note] = [note for note in conduct(kubeconfig).notes if "Calico" in note]
    assert "team-07 and 22 more: " in note
    assert "team-08" not in note


@pytest.mark.parametrize("answer", [status(500, "conversion webhook failed"), Raw(b'{"items": null}'), Raw(b"[1]")])
def test_custom_policies_that_cannot_be_read_end_no_run(answer: Raw, api: Api, kubeconfig: Path) -> None:
    api.script[CALICO] = answer

    [note] = [note for note in conduct(kubeconfig).notes if "Calico" in note]
    assert note.startswith("not known whether a Calico GlobalNetworkPolicy restricts the pods: list globalnetworkpol")
