"""Ports with names: what is deployed for them, and data planes that send a port of a Service to another's endpoints."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiClient

from probes.contract.answers import ContractAnswer
from probes.observation import Outcome
from probes.scenarios.catalogue import scenarios
from probes.scenarios.cluster import ScenarioCluster
from probes.scenarios.keeping import find_violation
from probes.scenarios.stage import Stage
from topologies.common.addresses import IPAddress
from topologies.loading import overrides

[SCENARIO] = [one for one in scenarios() if one.id == "named-ports"]
STAGE = Stage.build(overrides.read("lab-flannel", overrides.parse(["kubernetes=1.37.2"]))[1], [SCENARIO])


def test_a_service_leads_to_the_name_that_its_endpoints_give_to_different_ports() -> None:
    cluster = ScenarioCluster(ApiClient(), STAGE.topology, "ns", "run", given=False, backings=STAGE.backings)
    containers = {one["metadata"]["name"]: one["spec"]["containers"][0] for one in cluster.pod_manifests()}
    [service] = cluster.service_manifests()

    assert [
        (one["name"], one["containerPort"])
        for name in ("named-1", "named-2", "named-3")
        for one in ports(containers[name])
    ] == [
        ("http", 8080),
        ("http", 8082),
        ("other", 8084),
    ]
    assert all(
        f"--http-port={one['containerPort']}" in str(containers[name])
        for name in ("named-2", "named-3")
        for one in ports(containers[name])
    )
    assert "ports" not in containers["web-1"]
    assert [one["targetPort"] for one in service["spec"]["ports"]] == ["http"]


def ports(container: dict[str, Any]) -> list[dict[str, Any]]:
    return list(container["ports"])


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        (
            {80: ("named-1", "named-2"), 81: ("named-3",)},
            {"several-ports", "slices-with-different-ports", "named-target-ports"},
        ),
        ({80: ("named-1",), 81: ("named-3",)}, {"several-ports", "slices-with-different-ports"}),
        ({80: ("named-1", "named-2"), 81: ("named-1", "named-2")}, {"named-target-ports"}),
        ({80: (), 81: ("named-3",)}, set()),
    ],
    ids=["all", "one slice only", "one port for all", "a port without endpoints"],
)
def test_only_its_own_endpoints_may_answer_a_port(answers: dict[int, tuple[str, ...]], kept: set[str]) -> None:
    _, step, _ = SCENARIO.steps(STAGE)
    broken = {
        check.row_id
        for check in step.checks
        if find_violation(check, [answer(name) for name in answers[check.asked.port] or [""]], STAGE.topology)
    }

    assert set(SCENARIO.rows) - broken == kept


def answer(backend: str) -> ContractAnswer:
    outcome = Outcome.OK if backend else Outcome.REFUSED
    return ContractAnswer(outcome, IPAddress("10.244.1.9") if backend else None, kept=True, backend=backend or None)
