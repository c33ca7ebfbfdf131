"""`pods:` — what ends up in every pod's manifest, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from topologies.cluster import manifests
from topologies.loading.load import TopologyError, load, raw, validated
from topologies.schema.topology import Topology

GIVEN = """
labels: {team: net, sidecar.istio.io/inject: "true"}
annotations: {corp.example/owner: "somebody@corp.example, room 7"}
image_pull_secrets: [registry-login]
service_account: probe
resources: {requests: {cpu: 1, memory: 64Mi, ephemeral-storage: 10Mi}, limits: {}}
node_selector: {kubernetes.io/os: linux}
tolerations: [{key: dedicated, operator: Equal, value: net, effect: NoSchedule}, {key: x}]
priority_class: high
runtime_class: gvisor
run_as_user: null
"""


def declare(pods: Any) -> Topology:
    given, source = raw("lab-small")
    return validated({**given, "pods": pods}, source)


def test_every_pod_gets_the_settings() -> None:
    made = manifests.pods(declare(yaml.safe_load(GIVEN)), "x")

    assert len(made) > 4
    for pod in made:
        spec, metadata = pod["spec"], pod["metadata"]
        [container] = spec["containers"]
        assert (
            metadata["labels"].items() >= {"team": "net", "sidecar.istio.io/inject": "true", "hairpin/run": "x"}.items()
        )
        assert metadata["annotations"]["corp.example/owner"] == "somebody@corp.example, room 7"
        assert spec["imagePullSecrets"] == [{"name": "registry-login"}]
        assert spec["serviceAccountName"] == "probe"
        assert container["resources"]["requests"] == {"cpu": "1", "memory": "64Mi", "ephemeral-storage": "10Mi"}
        assert container["resources"]["limits"] == {}
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert spec["tolerations"] == [
            {"key": "dedicated", "operator": "Equal", "value": "net", "effect": "NoSchedule"},
            {"key": "x", "operator": "Exists"},
        ]
        assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("high", "gvisor")
        assert "runAsUser" not in container["securityContext"]


def test_by_default_a_pod_passes_pod_security_restricted_and_a_quota() -> None:
    for pod in manifests.pods(load("lab-small"), "x"):
        [container] = pod["spec"]["containers"]
        security = container["securityContext"]
        assert security["runAsNonRoot"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert not pod["spec"]["automountServiceAccountToken"]
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
        assert pod["spec"].get("hostNetwork") or "ports" not in container
        assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
        assert pod["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_settings_survive_their_dump_and_are_hashable() -> None:
    topology = declare(yaml.safe_load(GIVEN))

    assert Topology.model_validate_json(topology.model_dump_json()) == topology
    assert isinstance(hash(topology.pods), int)


@pytest.mark.parametrize(
    ("pods", "complaint"),
    [
        ({"labels": {"a": True}}, "pods.labels: got 'True' for a, want a mapping of label keys to text values"),
        ({"labels": {"a b": "x"}}, "pods.labels: got the key 'a b', want a mapping of label keys"),
        ({"labels": {"hairpin/run": "x"}}, "pods.labels: got the key hairpin/run, want"),
        ({"labels": ["a"]}, "pods.labels: got a list of 1, want a mapping of label keys"),
        ({"labels": {"a": "x" * 64}}, "pods.labels: got 'xxx"),
        ({"resources": {"limits": {"cpu": "lots"}}}, "pods.resources.limits: got 'lots' for cpu, want a mapping of"),
        ({"resources": {"cpu": "1"}}, "pods.resources.cpu: got the unknown key 'cpu'"),
        ({"run_as_user": 0}, "pods.run_as_user: got 0, want a whole number from 1 to"),
        ({"tolerations": [{"effect": "Never"}]}, "pods.tolerations[0].effect: got 'Never', want one of NoSchedule"),
        ({"image_pull_secrets": ["A_b"]}, "pods.image_pull_secrets[0]: got 'A_b', want an object's name"),
        (
            {"nodeSelector": {}},
            "pods.nodeSelector: got the unknown key 'nodeSelector', want a known key (did you mean node_",
        ),
    ],
)
def test_a_bad_setting_is_one_complaint(pods: Any, complaint: str) -> None:
    with pytest.raises(TopologyError) as raised:
        declare(pods)

    [found] = raised.value.complaints
    assert str(found).startswith(complaint)
