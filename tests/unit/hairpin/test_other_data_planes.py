"""A cluster whose Services are not kube-proxy's: judged by the contract, by no rule of kube-proxy."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.contract.judging import ContractResult
from reports.records.journal import load
from tests.unit.support.paths import ROOT
from topologies.loading.load import parse
from topologies.schema.complaints import TopologyError
from topologies.schema.enums import ProxyKind
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

PLANTED = {  # a cell whose connections time out: the rows that it breaks, all of them a must
    "pod-n3-to-web.clusterip": {1},
    "pod-n1-to-web-sticky.clusterip": {1, 15},
    "pod-n1-to-web-np-sticky.nodeport.n2": {16, 20},
    "ext-e1-to-web-np.nodeport.n3": {21},
    "ext-e1-to-web-np-local.nodeport.n1": {28},
    "pod-n3-to-web-lb-local.loadbalancer": {35},
    "host-n3-to-web-lb.loadbalancer": {37},
    "pod-n1-to-web-inner.clusterip": {44},
    "ext-e1-to-web-np-inner.nodeport.n3": {48},
    "host-n1-to-web-xip-local.externalip": {96},
}


def _contents(**changed: Any) -> dict[str, Any]:
    contents = yaml.safe_load((ROOT / "topologies/library/lab-contract.yaml").read_text(encoding="utf-8"))
    del contents["lab"]
    images = {"agnhost": "registry.example/agnhost:1"}
    return {**contents, "name": "other", "proxy": {"kind": "cilium"}, "images": images, **changed}


def _pytest(tmp_path: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(_contents(proxy={"kind": "other"})), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.unit.support.other_data_plane", f"--topology={file}", "-q"]
    command += [f"--kubeconfig={tmp_path}", f"--out={tmp_path}", *more]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables)


def _run(tmp_path: Path, **environment: str) -> tuple[Run, subprocess.CompletedProcess[str]]:
    done = _pytest(tmp_path, **environment)
    return load(tmp_path / "last"), done


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_a_data_plane_that_keeps_the_contract_breaks_no_promise(tmp_path: Path, mode: str) -> None:
    run, done = _run(tmp_path, DATA_PLANE_MODE=mode)

    assert done.returncode == 0, done.stdout
    assert len(run.records) == len(run.plan)
    assert {record.verdict for record in run.records} == {"pass"}
    assert {record.expected.summary for record in run.records} == {"not predicted"}
    assert {row.result for row in run.contract} == set(ContractResult) - {ContractResult.BROKEN}
    assert {row.row for row in run.contract if row.differing} == {"lb-affinity"}
    assert run.environment == {"proxy": "other", "cni": "flannel-vxlan"}


@pytest.mark.slow
def test_ten_planted_violations_are_named_by_row(tmp_path: Path) -> None:
    run, done = _run(tmp_path, DATA_PLANE_BREAKS=",".join(f"{cell}-v4-tcp" for cell in PLANTED))
    broken = {row.number: row for row in run.contract if row.result is ContractResult.BROKEN}
    failed = {record.cell.id.removesuffix("-v4-tcp"): record for record in run.records if record.verdict == "fail"}

    assert done.returncode == 1, done.stdout
    assert broken.keys() == set.union(*PLANTED.values())
    assert failed.keys() == PLANTED.keys()
    for cell, numbers in PLANTED.items():
        assert all(any(one.cell == f"{cell}-v4-tcp" for one in broken[number].differing) for number in numbers)
        assert all(f"broken promise: row {number} " in failed[cell].headline for number in numbers)
    assert "predicted" not in done.stdout.partition("API contract")[2]
    assert "-k 'nodeport-outside-reaches-every-node'" in done.stdout
    for verb, expected in (
        ("judge", "broken promise: row 28"),
        ("explain", "want kube-proxy"),
        ("infer", "want kube-proxy"),
    ):
        command = [sys.executable, "-m", "hairpin", verb, str(tmp_path / "last")]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert expected in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_no_test_by_kube_proxys_rules_is_collected(tmp_path: Path) -> None:
    done = _pytest(tmp_path, "--collect-only", "suites/test_clusterip.py", "suites/contract")

    cells = [line for line in done.stdout.splitlines() if "test_clusterip.py::" in line]
    assert cells
    assert all("[not-by-rules]" in line for line in cells)
    assert "suites/contract/test_rows.py::test_the_row_is_kept[clusterip-pod-reaches-ready]" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--simulate", "--mutate=R4.4"])
def test_what_needs_a_prediction_is_refused(tmp_path: Path, option: str) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(_contents()), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", f"--topology={file}", option]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    predicted = subprocess.run(
        [sys.executable, "-m", "hairpin", "predict", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 4
    assert "got proxy.kind cilium, want kube-proxy: only its rules predict answers" in done.stderr
    assert predicted.returncode == 2
    assert "no prediction: topology other: got proxy.kind cilium, want kube-proxy." in predicted.stderr
    assert "Traceback" not in predicted.stderr


@pytest.mark.parametrize("kind", [kind for kind in ProxyKind if kind is not ProxyKind.KUBE_PROXY])
def test_a_kind_needs_no_other_key(kind: ProxyKind) -> None:
    proxy = {"kind": str(kind), "node_port_addresses": ["198.18.1.0/24"]}
    topology = parse(yaml.safe_dump(_contents(proxy=proxy)), "x")
    stored = topology.model_dump(mode="json")

    assert stored["proxy"] == proxy
    assert Topology.model_validate(stored) == topology


def test_kube_proxy_is_the_default_and_not_written() -> None:
    topology = parse(yaml.safe_dump(_contents(proxy={"kind": "kube-proxy", "mode": "ipvs"})), "x")

    assert topology.proxy.is_kube_proxy
    assert "kind" not in topology.model_dump(mode="json")["proxy"]


NODE = {"name": "n1", "address": "198.18.1.11", "pod_cidr": "10.244.1.0/24"}
WANT = "want no key but kind and node_port_addresses: cilium is judged by the API's contract, not by kube-proxy's rules"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"proxy": {"kind": "cilium", "mode": "ipvs", "version": "1.30.1"}}, f"proxy: got mode, version, {WANT}"),
        ({"proxy": {"kind": "cilium", "mode": "unknown"}}, f"unknown: got proxy.mode, {WANT}"),
        ({"nodes": [{**NODE, "proxy": {"mode": "ipvs"}}]}, f"nodes[0].proxy: got mode, {WANT}"),
        ({"nodes": [{**NODE, "proxy": {"kind": "cilium"}}]}, "nodes[0].proxy.kind: got cilium, want no key"),
        ({"proxy": {"kind": "celium"}}, "proxy.kind: got 'celium', want one of kube-proxy, cilium"),
        ({"lab": {}}, "proxy.kind: got cilium, want kube-proxy, or the command of another data plane"),
    ],
)
def test_what_describes_kube_proxy_is_refused_beside_another_kind(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        parse(yaml.safe_dump(_contents(**changed)), "x")

    assert complaint in str(refused.value)
