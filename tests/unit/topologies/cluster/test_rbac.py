"""The rights that `hairpin rbac` prints are those that the code calls, and docs/ has what it prints."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.unit.support.paths import ROOT
from topologies.cluster.pods import CUSTOM_POLICIES
from topologies.cluster.rights import RIGHTS, Place, manifests
from topologies.discovery.api_reads import RESOURCES

DOORS = (
    *(
        f"topologies/cluster/{name}.py"
        for name in (
            "client",
            "inventory",
            "other_runs",
            "pods",
            "run_namespaces",
            "shared_namespace",
            "terminating_pods",
        )
    ),
    "probes/asking/vantages/pod.py",
    "probes/scenarios/cluster.py",
)
CALL = re.compile(r"\b(create|delete|list|read|patch|replace|connect_get)_(?:namespaced_)?([a-z_]+)\b")
NAMED = {
    "network_policy": "networkpolicies",
    "node_proxy_with_path": "nodes/proxy",
    "pod_eviction": "pods/eviction",
    "pod_exec": "pods/exec",
    "pod_status": "pods/status",
    "endpoints": "endpoints",
    "endpoint_slice": "endpointslices",
}
UPGRADE = ("create", "pods/exec")  # no call of ours: what newer API servers ask of a websocket
EVERYBODY = "self_subject_access_review"  # system:basic-user may create it
BROAD = {"nodes/proxy", "secrets", "configmaps", "*"}


def called() -> set[tuple[str, str]]:
    """(verb, resource) of every method of an API group's client that the doors name."""
    text = "".join((ROOT / door).read_text(encoding="utf-8") for door in DOORS)
    pattern = r"(?:\bcore|\bcoordination|V1Api\((?:self\._|self\.|cluster\.)?api\)|_api_factory\(\))\.(\w+)"
    methods = {one for one in re.findall(pattern, text) if EVERYBODY not in one}
    found = [CALL.fullmatch(method.removesuffix("_with_http_info")) for method in methods]
    assert all(found), methods
    return {(match[1].removeprefix("connect_"), NAMED.get(match[2], f"{match[2]}s")) for match in found if match}


def test_the_rights_are_the_calls() -> None:
    custom = {("list", plural) for _, _, plural, _ in CUSTOM_POLICIES}
    runs = [right for right in RIGHTS if right.place is not Place.DISCOVERY]
    granted = {(verb, resource) for right in runs for verb in right.verbs for resource in right.resources}

    assert granted == called() | {UPGRADE} | custom


def test_the_rights_of_discover_are_what_it_reads() -> None:
    granted = {resource for right in RIGHTS for resource in right.resources if right.place is Place.DISCOVERY}
    optional = {plural for plural, _, _ in RESOURCES}

    assert granted == optional | {"daemonsets", "configmaps", "pods", "services"}
    assert all(right.optional for right in RIGHTS if right.place is Place.DISCOVERY)


def rules(text: str, kind: str, namespace: str | None = None) -> set[tuple[str, str]]:
    found = [one for one in yaml.safe_load_all(text) if one["kind"] == kind]
    chosen = [one for one in found if one["metadata"].get("namespace") == namespace]
    listed = [rule for one in chosen for rule in one["rules"]]
    return {(verb, resource) for rule in listed for verb in rule["verbs"] for resource in rule["resources"]}


def test_with_a_namespace_nothing_broad_is_cluster_wide() -> None:
    text = manifests("team", "probe")

    wide = rules(text, "ClusterRole")
    assert ("list", "nodes") in wide
    assert {verb for verb, _ in wide} == {"list"}
    assert "#  resources: [configmaps]" in text
    assert not BROAD & {resource for _, resource in wide}
    assert rules(text, "Role", "default") == {("list", "services")}
    assert ("create", "pods/exec") in rules(text, "Role", "team")
    assert not any("namespaces" in one for one in rules(text, "Role", "team") | wide)
    assert "#  resources: [nodes/proxy]" in text


def test_the_least_rights_are_a_role_and_reading_nodes() -> None:
    text = manifests("team", "probe", least=True)

    assert rules(text, "ClusterRole") == {("list", "nodes")}
    assert rules(text, "Role", "team") == {
        *((verb, kind) for verb in ("create", "list", "delete") for kind in ("pods", "services")),
        ("get", "pods/exec"),
        ("create", "pods/exec"),
        ("list", "endpoints"),
    }
    assert rules(text, "Role", "default") == set()


def test_two_namespaces_do_not_share_a_binding() -> None:
    names = [
        {one["metadata"]["name"] for one in yaml.safe_load_all(manifests(name, "probe")) if "Cluster" in one["kind"]}
        for name in ("a", "b")
    ]

    assert not names[0] & names[1]


def test_without_a_namespace_the_breadth_is_stated() -> None:
    text = manifests(None, "hairpin")

    assert text.startswith("# NEAR CLUSTER-ADMIN")
    assert {("create", "namespaces"), ("create", "pods/exec"), ("get", "nodes/proxy")} <= rules(text, "ClusterRole")


def test_every_optional_right_has_what_a_run_lacks_without_it() -> None:
    text = manifests("team", "probe")

    assert all(right.why for right in RIGHTS)
    listed = [right for right in RIGHTS if right.optional and right.place is not Place.OWN_NAMESPACE]
    assert len(listed) > 4
    assert all(f"# Optional. Without it: {right.optional}" in text for right in listed)


@pytest.mark.parametrize(("file", "namespace"), [("rbac.yaml", None), ("rbac-namespace.yaml", "hairpin")])
def test_the_docs_have_what_the_verb_prints(file: str, namespace: str | None) -> None:
    option = f" --namespace {namespace}" if namespace else ""
    assert (ROOT / "docs" / file).read_text() == manifests(namespace, "hairpin"), f"hairpin rbac{option} > docs/{file}"
