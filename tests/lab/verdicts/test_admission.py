"""Pods that a real API server's admission accepts, changes and refuses, in namespaces made beforehand.

PodSecurity and ValidatingAdmissionPolicy are newer than the lab's API server: unit tests have their messages. No CNI of
the lab enforces a NetworkPolicy, so only the reading of policies is tested here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab.support.broken import small
from tests.lab.support.small import api
from tests.lab.support.somebodys import IMAGE, rename_image
from tests.lab.support.webhook import PORT, REASON, SIDECAR
from tests.unit.support.paths import ROOT
from topologies.cluster import rights
from topologies.cluster.in_cluster import ACCOUNT
from topologies.common.subprocesses import run
from topologies.lab.sandbox import Sandbox, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
NAME = "test-admission"
CORE, POLICIES, HOOKS = "/api/v1", "/apis/networking.k8s.io/v1", "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
COMPUTE = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "8", "limits.memory": "4Gi", "pods": "20"}
SETTINGS = {
    "labels": {"team": "net"},
    "annotations": {"corp.example/owner": "net"},
    "image_pull_secrets": ["registry"],
    "service_account": "probe",
    "node_selector": {"kubernetes.io/os": "linux"},
    "priority_class": "probe",
    "runtime_class": "runc",
    "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "300m", "memory": "128Mi"}},
}
REFUSED = {
    "no resources": (
        "quota",
        {"resources": {"requests": {}, "limits": {}}},
        "the ResourceQuota compute, which requires",
    ),
    "a full quota": ("full", {}, "the ResourceQuota few. Lower pods.resources"),
    "a LimitRange": ("limits", {}, "a LimitRange. Set pods.resources"),
    "a ratio": ("limits", {"resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}, "a LimitRange. Set pods."),
    "no account": ("quota", {"service_account": "none"}, "there is no ServiceAccount none"),
    "no priority": ("quota", {"priority_class": "none"}, "no PriorityClass none"),
    "no runtime": ("quota", {"runtime_class": "none"}, "no RuntimeClass none"),
    "no node": ("quota", {"node_selector": {"pool": "none"}}, "The node lacks a label of the pod's nodeSelector"),
    "no namespace": ("nowhere", {}, "there is no namespace nowhere"),
}


def create(root: str, plural: str, name: str, namespace: str = "", **more: Any) -> None:
    """Create an object."""
    place = f"namespaces/{namespace}/" if namespace else ""
    api(NAME, "POST", f"{root}/{place}{plural}", {"metadata": {"name": name}, **more})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The topology file of a lab of two workers that is up, with the namespaces of this module."""
    with small(NAME, tmp_path_factory.mktemp("admission")) as path:
        rename_image(Sandbox.find(NAME))
        for namespace in ("quota", "full", "limits", "hooked"):
            labels = {"hooked": "yes"} if namespace == "hooked" else {}
            api(NAME, "POST", f"{CORE}/namespaces", {"metadata": {"name": namespace, "labels": labels}})
        create(CORE, "resourcequotas", "compute", "quota", spec={"hard": COMPUTE})
        create(CORE, "resourcequotas", "few", "full", spec={"hard": {"pods": "2"}})
        limit = {"type": "Container", "max": {"memory": "128Mi"}, "maxLimitRequestRatio": {"cpu": "10"}}
        create(CORE, "limitranges", "small", "limits", spec={"limits": [limit]})
        create("/apis/scheduling.k8s.io/v1", "priorityclasses", "probe", value=1000)
        create("/apis/node.k8s.io/v1", "runtimeclasses", "runc", handler="runc")
        deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        create(POLICIES, "networkpolicies", "default-deny", "quota", spec=deny)
        prober = {"matchLabels": {"hairpin/app": "prober"}}
        create(POLICIES, "networkpolicies", "deny-probers", "hooked", spec={**deny, "podSelector": prober})
        ours = {"matchLabels": {"app.kubernetes.io/name": "hairpin"}}
        opened = {**deny, "podSelector": ours, "ingress": [{}], "egress": [{}]}
        create(POLICIES, "networkpolicies", "allow-hairpin", "quota", spec=opened)
        yield path


def declare(file: Path, **changed: Any) -> Path:
    """Write the topology of somebody's cluster, which is no lab, with some keys of the top level changed."""
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))
    del declared["lab"]
    other = file.with_name("changed.yaml")
    other.write_text(yaml.safe_dump({**declared, "images": {"agnhost": IMAGE}, **changed}), encoding="utf-8")
    return other


def ask(file: Path, out: Path, *options: str, before: tuple[str, ...] = (), code: int = 0) -> dict[str, Any]:
    """Run the suites on the lab's control plane; the run's data."""
    command = [*before, sys.executable, "-m", "pytest", f"--topology={file}", f"--out={out}", "-q", *options]
    done = subprocess.run(
        Sandbox.find(NAME).enter_command("cp", command), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads((out / "last" / "run.json").read_text(encoding="utf-8"))
    return found


def as_pod(folder: Path) -> tuple[str, ...]:
    """Return a command that gives another one what kubelet gives to a container of account probe in namespace quota."""
    for document in yaml.safe_load_all(rights.manifests("quota", "probe")):
        kind, metadata = document.pop("kind"), document["metadata"]
        root = CORE if kind == "ServiceAccount" else RBAC
        create(root, f"{kind.lower()}s", metadata["name"], metadata.get("namespace", ""), **document)
    asked: Any = {"spec": {"expirationSeconds": 3600}}
    token: Any = api(NAME, "POST", f"{CORE}/namespaces/quota/serviceaccounts/probe/token", asked)
    (folder / "token").write_text(token["status"]["token"])
    (folder / "ca.crt").write_bytes((locate(NAME).pki / "ca.crt").read_bytes())
    run_dir = ACCOUNT.parents[2].resolve()
    mount = f'mount -t tmpfs none {run_dir} && mkdir -p {ACCOUNT} && mount --bind {folder} {ACCOUNT} && exec "$@"'
    variables = ("KUBERNETES_SERVICE_HOST=198.18.1.10", "KUBERNETES_SERVICE_PORT=6443", f"HOME={folder}")
    return ("env", "-u", "KUBECONFIG", *variables, "unshare", "--mount", "sh", "-c", mount, "sh")


def test_a_pod_runs_hairpin_in_a_namespace_with_a_quota_and_a_lifted_deny(file: Path, tmp_path: Path) -> None:
    """With a Role in the namespace, and with every key of `pods:`."""
    account = tmp_path / "account"
    account.mkdir()
    chosen = ("-k", "(pod-n1 or host-n2) and web-np.clusterip", "--namespace=quota", "--keep")
    done = ask(declare(file, pods=SETTINGS), tmp_path / "out", *chosen, before=as_pod(account))

    assert [one["verdict"] for one in done["records"]] == ["pass", "pass"]
    assert done["notes"] == []
    pods: Any = api(NAME, "GET", f"{CORE}/namespaces/quota/pods")["items"]
    assert len(pods) > 5
    for pod in pods:
        spec, metadata = pod["spec"], pod["metadata"]
        assert metadata["labels"]["team"] == metadata["annotations"]["corp.example/owner"] == "net"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["nodeSelector"] == SETTINGS["node_selector"]
        assert spec["containers"][0]["resources"] == SETTINGS["resources"]
        assert (spec["serviceAccountName"], spec["priority"], spec["runtimeClassName"]) == ("probe", 1000, "runc")
    clean(tmp_path / "kubeconfig")


def clean(kubeconfig: Path) -> None:
    """Remove by `hairpin clean` what the run left in namespace quota."""
    kubeconfig.write_bytes((locate(NAME).kube / "admin.conf").read_bytes())
    command = [sys.executable, "-m", "hairpin", "clean", f"--kubeconfig={kubeconfig}", "--namespace=quota"]
    run(Sandbox.find(NAME).enter_command("cp", [*command, "--all"]), timeout=60)
    for kind in ("pods", "services"):
        listed: Any = api(NAME, "GET", f"{CORE}/namespaces/quota/{kind}")["items"]
        assert [one["metadata"]["name"] for one in listed if "deletionTimestamp" not in one["metadata"]] == []


@contextmanager
def webhook() -> Iterator[None]:
    """A webhook on the control plane reviews the pods of namespace hooked."""
    pki = locate(NAME).pki
    argv = [sys.executable, "-m", "tests.lab.support.webhook", f"{pki}/api.crt", f"{pki}/api.key"]
    command = Sandbox.find(NAME).enter_command("cp", argv)
    authority = run(["base64", "-w0", f"{pki}/ca.crt"], timeout=10)
    hook = {
        "name": "pods.corp.example",
        "clientConfig": {"url": f"https://198.18.1.10:{PORT}/", "caBundle": authority},
        "namespaceSelector": {"matchLabels": {"hooked": "yes"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        assert server.stdout.readline() == "listens\n"
        create(HOOKS, "mutatingwebhookconfigurations", "pods", webhooks=[hook])
        try:
            yield
        finally:
            api(NAME, "DELETE", f"{HOOKS}/mutatingwebhookconfigurations/pods")
            server.stdin.close()  # which ends it


def test_a_webhook_and_a_deny_cost_only_the_cells_of_their_pods(file: Path, tmp_path: Path) -> None:
    chosen = ("-k", "(pod-n1 or host-n1 or self-web-a) and web-np.clusterip", "--namespace=hooked")
    kubeconfig = f"--kubeconfig={locate(NAME).kube / 'admin.conf'}"
    with webhook():
        done = ask(file, tmp_path / "out", *chosen, kubeconfig, code=1)

    verdicts = {one["cell"]["vantage"]: one["verdict"] for one in done["records"]}
    assert verdicts == {"pod-n1": "inconclusive", "host-n1": "inconclusive", "self-web-a": "pass"}
    troubles = {one["cell"]["vantage"]: one["observed"]["trouble"] for one in done["records"]}
    assert "NetworkPolicy deny-probers restricts Ingress and Egress of pod pod-n1" in troubles["pod-n1"]
    assert REASON in troubles["host-n1"]
    assert "Refused by the admission webhook pods.corp.example" in troubles["host-n1"]
    assert [one for one in done["notes"] if f"containers that an admission webhook added: {SIDECAR}" in one]


def test_what_refuses_the_pods_is_named(file: Path) -> None:
    cases = {name: (namespace, pods) for name, (namespace, pods, _) in REFUSED.items()}
    argv = [sys.executable, "-m", "tests.lab.support.refused", str(file), json.dumps(cases)]
    sandbox = Sandbox.find(NAME)
    done = subprocess.run(
        sandbox.enter_command("cp", argv), cwd=ROOT, env=sandbox.environment(), stdout=subprocess.PIPE, check=True
    )

    found = json.loads(done.stdout)
    assert {name: want in found[name] for name, (_, _, want) in REFUSED.items()} == dict.fromkeys(REFUSED, True), found
    for namespace in ("quota", "full", "limits"):
        assert not api(NAME, "GET", f"{CORE}/namespaces/{namespace}/pods")["items"]
