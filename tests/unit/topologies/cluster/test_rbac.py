"""docs/rbac.yaml grants what the code calls, and nothing it does not call."""

from __future__ import annotations

import re

import yaml

from tests.unit.support.paths import ROOT
from topologies.cluster.pods import CUSTOM_POLICIES

DOORS = (
    *(f"topologies/cluster/{name}.py" for name in ("client", "pods", "run_namespaces")),
    "probes/asking/vantages/pod.py",
)
CALL = re.compile(r"\b(create|delete|list|read|patch|replace|connect_get)_(?:namespaced_)?([a-z_]+)\b")
NAMED = {
    "network_policy": "networkpolicies",
    "node_proxy_with_path": "nodes/proxy",
    "pod_exec": "pods/exec",
    "endpoints": "endpoints",
}
UPGRADE = ("create", "pods/exec")  # no call of ours: what newer API servers ask of a websocket


def called() -> set[tuple[str, str]]:
    """(verb, resource) of every method of an API group's client that the doors name."""
    text = "".join((ROOT / door).read_text(encoding="utf-8") for door in DOORS)
    methods = set(re.findall(r"(?:core|V1Api\((?:self\._|cluster\.)?api\)|_api_factory\(\))\.(\w+)", text))
    found = [CALL.fullmatch(method.removesuffix("_with_http_info")) for method in methods]
    assert all(found), methods
    return {(match[1].removeprefix("connect_"), NAMED.get(match[2], f"{match[2]}s")) for match in found if match}


def granted() -> set[tuple[str, str]]:
    documents = yaml.safe_load_all((ROOT / "docs" / "rbac.yaml").read_text(encoding="utf-8"))
    [role] = [one for one in documents if one["kind"] == "ClusterRole"]
    return {(verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]}


def test_the_least_rights_are_the_calls() -> None:
    custom = {("list", plural) for _, _, plural, _ in CUSTOM_POLICIES}
    assert granted() == called() | {UPGRADE} | custom
