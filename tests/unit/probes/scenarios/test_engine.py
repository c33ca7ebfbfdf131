"""Scenarios on an API server on loopback: what is deployed, changed and removed, and what an error leaves unasked."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from probes import session
from probes.asking.vantages.base import TransportError
from probes.contract.judging import ContractResult
from probes.lifecycle.probers import Probers
from probes.observation import Attempt, Outcome
from probes.scenarios import asking, baseline
from probes.scenarios.asking import TimeLimits
from probes.scenarios.catalogue import scenarios
from probes.scenarios.cluster import ScenarioCluster
from probes.scenarios.engine import run_scenarios
from probes.scenarios.later_service import LaterService
from probes.scenarios.results import read_results
from tests.unit.support.fake_api import Api, serve, status
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.cluster.api import ClusterError
from topologies.common.addresses import IPAddress
from topologies.loading import overrides

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probes.scenarios.results import ScenarioResult
    from topologies.frontends import Target

SOON = TimeLimits(limit_s=0.3, connect_s=0.2)
NAMESPACE = "/api/v1/namespaces/hairpin-x-s"
OWN = IPAddress("192.0.2.1")


@pytest.fixture
def api() -> Api:
    return Api(version="v1.37.2")


@pytest.fixture
def kubeconfig(api: Api, tmp_path: Path) -> Iterator[Path]:
    with serve(api, tmp_path) as path:
        yield path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SETTLE_S", 0.02)
    monkeypatch.setattr(asking, "PAUSE_S", 0.01)


def answering(monkeypatch: pytest.MonkeyPatch, attempt: Attempt) -> None:
    """Let every client get this answer, as if the clients were not in the cluster."""

    def answer(_: Target) -> Attempt:
        return attempt

    monkeypatch.setattr(Probers, "_in_pod", lambda _self, name, _pod: SimulatedVantage(name, answer))
    monkeypatch.setattr(Probers, "_at_host", lambda _self, name, _ssh, _address: SimulatedVantage(name, answer))


def run(kubeconfig: Path, folder: Path, *names: str, **more: Any) -> tuple[ScenarioResult, ...]:
    topology = overrides.read("lab-flannel", overrides.parse(["kubernetes=1.37.2"]))[1]
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2.0, balancer_settle=0.1, **more)
    chosen = [one for one in scenarios() if one.id in names]
    return run_scenarios(topology, chosen, "x", options, SOON, folder, progress=lambda _: None)


def test_the_namespace_is_made_changed_and_removed(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.REFUSED))
    (result,) = run(kubeconfig, tmp_path, "evicted")

    assert result.trouble == ""
    assert result.result is ContractResult.KEPT
    assert read_results(tmp_path) == (result,)
    assert f"POST {NAMESPACE}/pods/evict-1/eviction" in api.calls
    assert [name for name, _ in api.deleted] == ["hairpin-x-s"]
    assert api.namespaces() == set()


def test_a_service_is_patched_and_the_promise_that_is_not_kept_is_broken(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.OK, source=OWN, backend="web-1"))  # never the other one
    (result,) = run(kubeconfig, tmp_path, "affinity-switched")
    off, on = result.steps

    assert {one.result for one in off.checks} == {ContractResult.BROKEN}
    assert {one.text.partition(" (")[0] for one in off.checks} == {"web-2 never answered, want every endpoint"}
    assert {one.predicted for one in off.checks} == {"kept"}
    assert {one.result for one in on.checks} == {ContractResult.KEPT}
    assert off.at < on.at
    assert f"PATCH {NAMESPACE}/services/s-affinity" in api.calls


def test_a_node_that_does_not_serve_a_later_service_shows_nothing(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.OK, source=OWN, backend="web-1"))
    monkeypatch.setattr(ScenarioCluster, "healthy", lambda _self, node, _port: node != "n1")
    (result,) = run(kubeconfig, tmp_path, "affinity-switched")

    found = {one.node: (one.result, one.text.partition(" (")[0]) for one in result.steps[0].checks}
    assert found["n1"] == (ContractResult.NOT_ASKED, "n1 did not serve a Service that was created later either")
    assert found["n2"] == (ContractResult.BROKEN, "web-2 never answered, want every endpoint")
    assert f"POST {NAMESPACE}/services" in api.calls


def test_a_data_plane_that_is_slow_keeps_its_promise_late(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    backends = cycle(("web-1", "web-2"))

    def wait(_: LaterService, limit_s: float) -> frozenset[str]:
        waited.append(limit_s)
        return frozenset()

    def answer(_: Target) -> Attempt:
        return Attempt(Outcome.OK, source=OWN, backend=next(backends) if waited else "web-1")

    monkeypatch.setattr(Probers, "_in_pod", lambda _self, name, _pod: SimulatedVantage(name, answer))
    monkeypatch.setattr(LaterService, "find_late_nodes", wait)
    (result,) = run(kubeconfig, tmp_path, "affinity-switched")

    off = result.steps[0]
    assert {one.result for one in off.checks} == {ContractResult.KEPT}
    assert all((one.not_before_s or 0) < (one.converged_s or 0) for one in off.checks)
    assert waited[0] == SOON.later_s > SOON.limit_s


def test_a_pod_network_that_cannot_be_asked_leaves_a_broken_promise_open(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        message = "the exec was cut"
        raise TransportError(message)

    answering(monkeypatch, Attempt(Outcome.REFUSED))
    monkeypatch.setattr(baseline, "run_batch", cut)
    (result,) = run(kubeconfig, tmp_path, "scaled-to-zero")

    back = result.steps[1]
    assert {one.result for one in back.checks} == {ContractResult.NOT_ASKED}
    assert {one.text for one in back.checks} == {
        "whether the pod network explains it could not be asked: the exec was cut"
    }


def test_clients_that_cannot_be_asked_are_never_red(api: Api, kubeconfig: Path, tmp_path: Path) -> None:
    (result,) = run(kubeconfig, tmp_path, "affinity-switched")  # this API refuses every exec

    inside = [one for one in result.checks if one.client.startswith("pod-")]
    assert inside
    assert {one.result for one in inside} == {ContractResult.NOT_ASKED}
    assert all("no exec here" in one.text or "403" in one.text for one in inside)
    assert api.namespaces() == set()


def test_an_api_server_that_dies_leaves_checks_unasked(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.REFUSED))
    api.script[f"PATCH {NAMESPACE}/services/s-affinity"] = status(500, "etcdserver: request timed out")
    switched, evicted = sorted(run(kubeconfig, tmp_path, "affinity-switched", "evicted"), key=lambda one: one.id)

    assert "etcdserver: request timed out" in switched.trouble
    assert {one.result for one in switched.checks} == {ContractResult.NOT_ASKED}
    assert [one.at for one in switched.steps] == ["", ""]
    assert evicted.result is ContractResult.KEPT
    assert api.namespaces() == set()


def test_a_step_that_was_asked_before_an_error_stays(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.REFUSED))
    api.script[f"POST {NAMESPACE}/pods"] = lambda: (
        status(500, "no more pods") if any(name == "zero-1" for name, _ in api.deleted) else None
    )
    (result,) = run(kubeconfig, tmp_path, "scaled-to-zero")
    down, back = result.steps

    assert {one.result for one in down.checks} == {ContractResult.KEPT}
    assert {one.result for one in back.checks} == {ContractResult.NOT_ASKED}
    assert all("no more pods" in one.text for one in back.checks)


def test_pods_that_linger_are_ended_before_the_namespace(
    api: Api, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.REFUSED))
    api.script[f"PATCH {NAMESPACE}/pods/dead-1/status"] = status(500, "no")  # so no step deletes the pod
    with pytest.raises(ClusterError, match="patch the status of Pod dead-1"):
        run(kubeconfig, tmp_path, "terminating-unready", "terminating")

    deletions = [one.rpartition("/")[2] for one in api.calls if one.startswith("DELETE")]
    *pods, last = dict.fromkeys(deletions)
    assert (sorted(pods), last) == (["dead-1", "term-1", "term-2"], "hairpin-x-s")
    assert api.namespaces() == set()


def test_missing_rights_are_named_before_anything_is_created(api: Api, kubeconfig: Path, tmp_path: Path) -> None:
    api.node_proxy = False  # this API denies every review of rights

    with pytest.raises(ClusterError, match="got no right to patch services, patch pods, patch pods/status, create"):
        run(kubeconfig, tmp_path, "evicted")

    assert not [one for one in api.calls if one.startswith("POST") and "reviews" not in one]


def test_scenarios_that_a_cluster_cannot_have_touch_nothing(kubeconfig: Path, api: Api, tmp_path: Path) -> None:
    topology = overrides.read("lab-flannel", overrides.parse(["kubernetes=1.20.2"]))[1]
    chosen = [one for one in scenarios() if one.id == "same-node"]
    options = session.Options(kubeconfig=str(kubeconfig))
    (result,) = run_scenarios(topology, chosen, "x", options, SOON, tmp_path, progress=lambda _: None)

    assert result.skipped == "it needs Kubernetes 1.34.0 or newer, and this is 1.20.2"
    assert api.calls == []
    assert read_results(tmp_path) == (result,)


def test_a_run_that_is_killed_keeps_the_scenarios_that_it_ended(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Attempt(Outcome.REFUSED))
    seen: list[int] = []

    def progress(line: str) -> None:
        if line.startswith("scenario "):
            seen.append(len(read_results(tmp_path)))
        if len(seen) == 2:
            raise KeyboardInterrupt

    topology = overrides.read("lab-flannel", overrides.parse(["kubernetes=1.37.2"]))[1]
    options = session.Options(kubeconfig=str(kubeconfig), settle_timeout=2.0, balancer_settle=0.1)
    chosen = [one for one in scenarios() if one.id in {"evicted", "service-deleted"}]
    with pytest.raises(KeyboardInterrupt):
        run_scenarios(topology, chosen, "x", options, SOON, tmp_path, progress=progress)

    assert [one.id for one in read_results(tmp_path)] == ["evicted"]
