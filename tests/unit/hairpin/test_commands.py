"""The command line: what it prints, what it refuses and how, what it costs to start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hairpin.main import main
from probes.oracle import unknown_facts
from probes.oracle.catalogue import CATALOGUE
from probes.oracle.predict import expect, model_cluster, trace_paths
from probes.plan.plan import plan
from reports.analysis import diff
from reports.analysis.diff import Kind
from reports.records import prediction
from reports.records.prediction import Prediction
from reports.terminal.explanation import explain
from tests.unit.support.library import LIBRARY
from tests.unit.support.paths import ROOT
from topologies.cluster_state.snapshot import declared
from topologies.loading.load import load, names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHY = "ext-e1-to-web-lb.loadbalancer-v4-tcp"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


@pytest.mark.parametrize("name", LIBRARY)
def test_every_topology_of_the_library_is_predicted_whole(name: str) -> None:
    topology = load(name)

    prediction_of = Prediction.of(topology)

    assert [one.cell.id for one in prediction_of.cells] == [cell.id for cell in plan(topology).cells]
    assert [one.trouble for one in prediction_of.cells if one.trouble] == []
    assert all(sum(way.share for way in one.expected.paths) == pytest.approx(1) for one in prediction_of.cells)


@pytest.mark.parametrize("name", ["lab-small", "cce-tunnel", "tke-router"])
def test_the_steps_of_why_are_the_rules_of_the_expectation(name: str) -> None:
    topology = load(name)
    snapshot = declared(topology)
    cluster = model_cluster(topology, snapshot)
    for cell in plan(topology).cells:
        expectation, paths = expect(topology, snapshot, cell), trace_paths(cluster, cell)

        for way in paths:
            assert tuple(taken.rule.id for taken in way.decisions) == way.path.rules, cell.id
            assert all(taken.rule.step(taken.connection) == taken.value for taken in way.decisions), cell.id
        assert {rule for way in paths for rule in way.path.rules} == set(expectation.rules)
        assert sum(way.path.share for way in paths) == pytest.approx(1)


@pytest.mark.parametrize(("name", "mode"), [("lab-small", "iptables"), ("lab-ipvs-fences", "IPVS")])
def test_a_step_of_why_names_the_clusters_own_mode(name: str, mode: str) -> None:
    """Most rules of endpoint selection belong to several modes."""
    topology = load(name)
    steps = {
        step.step
        for cell in plan(topology).cells
        for way in explain(topology, declared(topology), cell)
        for step in way.steps
    }

    assert {step for step in steps if step.startswith("Endpoint selection")} == {
        f"Endpoint selection or refusal: {mode} mode"
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names() if "ipvs" not in name or name == "lab-ipvs-fences"])
def test_why_says_in_words_what_each_step_decided(name: str) -> None:
    """No decision is printed as Python prints it: `Connection(cluster=...`, `to , one of`, `None's rules`."""
    topology = load(name)
    snapshot = declared(topology)
    decided = {
        step.decided for cell in plan(topology).cells for way in explain(topology, snapshot, cell) for step in way.steps
    }

    assert decided
    assert not [text for text in decided if re.search(r"\w\(\w+=|<\w|\bNone\b|\bto ,|  ", text)]


def test_why_names_the_node_that_this_very_way_takes() -> None:
    topology = load("lab-full-nat")
    cell = next(cell for cell in plan(topology).cells if cell.id == WHY)

    paths = explain(topology, declared(topology), cell)

    nodes = [re.search(r"\((n\d)\)", way.result) for way in paths]
    arrived = [step.decided.split()[2] for way in paths for step in way.steps if step.rule == "L18"]
    assert [f"{node[1]}," for node in nodes if node] == arrived
    assert len(arrived) == 8


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        ("Pod-n3-to-web_lb.ClusterIP", "pod-n3-to-web-lb.clusterip-v4-tcp"),
        ("pod-n3 web-lb clusterip", "pod-n3-to-web-lb.clusterip-v4-tcp"),
        ("pod-n3-to-web-lb.nodeport", "pod-n3-to-web-lb.nodeport.n3-v4-tcp"),
    ],
)
def test_why_offers_the_cells_that_may_have_been_meant(
    capsys: pytest.CaptureFixture[str], spelt: str, meant: str
) -> None:
    assert f"\n  {meant}\n" in refused(capsys, "predict", "lab-flannel", "--why", spelt)


def test_why_of_no_cell_says_where_the_cells_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "predict", "lab-flannel", "--why", "nonsense")

    assert "want a cell of lab-flannel. Its 618 cells are in `hairpin predict --format=json`" in text
    assert "near it" not in text


def test_why_of_a_cell_that_is_left_out_needs_no_ending_either(capsys: pytest.CaptureFixture[str]) -> None:
    left = plan(load("lab-flannel")).omissions[0]

    assert left.reason in refused(capsys, "predict", "lab-flannel", "--why", left.cell.removesuffix("-v4-tcp"))


def test_why_of_a_cell_with_too_many_unknown_facts_names_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`predict` expects nothing of the cell. `--why` ended with a traceback."""
    monkeypatch.setattr(unknown_facts, "MOST", 1)
    cell = "pod-n3-to-web-np-local.nodeport.n1"

    message = refused(capsys, "predict", "lab-flannel", "--with", "cni.masquerade=unknown", "--why", cell)

    assert "more than 1 combinations of values are possible, with cni.masquerade unknown. Declare" in message


def test_why_tells_every_way_with_its_share_and_every_rule_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "predict", "lab-flannel", "--why", WHY.removesuffix("-v4-tcp"))
    written = json.loads(told(capsys, "predict", "lab-flannel", "--why", WHY, "--format", "json"))

    assert "path 8 of 8, 12.5 %: ok from web-b, source vtep(n4)" in text
    assert sum(way["share"] for way in written["ways"]) == pytest.approx(1)
    known = {rule.id: rule for rule in CATALOGUE}
    for step in (step for way in written["ways"] for step in way["steps"]):
        assert step["sentence"] == known[step["rule"]].sentence
        assert step["citation"] == known[step["rule"]].citation
        assert step["decided"]


def test_an_unknown_cell_is_told_with_those_that_come_near(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "predict", "lab-flannel", "--why", "pod-n3-to-web-lb.nodepot.n1")

    assert "pod-n3-to-web-lb.nodeport.n1-v4-tcp" in message


def test_a_cell_the_plan_leaves_out_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    left = plan(load("lab-flannel")).omissions[0]

    assert left.reason in refused(capsys, "predict", "lab-flannel", "--why", left.cell)


def test_a_prediction_survives_json(capsys: pytest.CaptureFixture[str]) -> None:
    written = told(capsys, "predict", "lab-small", "--with", "version=1.24", "--format", "json")

    read = Prediction.model_validate_json(written)
    assert read.schema_version == "1"
    assert read.environment["version"] == "1.24.0"
    assert read.model_dump_json(indent=1) + "\n" == written


def test_output_goes_to_a_file_in_the_format_of_its_ending(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page, data = tmp_path / "p.html", tmp_path / "p.json"

    assert told(capsys, "predict", "lab-small", "-o", str(page)) == ""
    assert told(capsys, "diff", "lab-small", "lab-flannel", "-o", str(data)) == ""

    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(data.read_text())["kind"] == "comparison"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "lab-flanel"], ["lab-flanel", "lab-flannel"]),
        (["predict", "lab-flannel", "--with", "verison=1.2"], ["verison", "proxy.version"]),
        (["predict", "lab-flannel", "--with", "mode"], ["PATH=VALUE"]),
        (["predict", "lab-flannel", "--with", "mode=ipsv"], ["ipsv", "iptables", "nftables"]),
        (["diff", "lab-flannel"], ["--with"]),
        (["diff", "lab-flannel", "lab-small", "--fail-on", "lost"], ["lost", "lost-reachability"]),
        (["diff", "lab-flannel", "tests"], ["run.json"]),
        (["diff", "no-such.json", "lab-small"], ["no-such.json"]),
        (["predict", "lab-flannel", "--why", WHY, "--format", "html"], ["--why"]),
        (["predict", "lab-small", "-o", "/no/such/folder/p.html"], ["/no/such/folder"]),
    ],
)
def test_what_cannot_be_used_is_told_in_words_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(ROOT)

    message = refused(capsys, *arguments)

    assert all(word in message for word in words), message
    assert "Traceback" not in message


def test_a_run_cannot_be_overridden(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")

    assert "is a run" in refused(capsys, "diff", str(tmp_path), "lab-small", "--with-before", "mode=ipvs")


@pytest.mark.parametrize(("kinds", "code"), [("lost-reachability", 1), ("lost-source,intermittent", 0), ("", 0)])
def test_fail_on_is_a_gate(capsys: pytest.CaptureFixture[str], kinds: str, code: int) -> None:
    arguments = ["diff", "lab-flannel", "lab-no-cluster-cidr", "--fail-on", kinds]
    if kinds == "lost-source,intermittent":
        arguments = ["diff", "ack-terway", "--with", "kubernetes=1.24.6", "--fail-on", kinds]

    assert main(arguments) == code
    assert ("lost-reachability" in capsys.readouterr().err) == bool(code)


def test_a_gate_can_insist_that_every_cell_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "lab-small", "lab-flannel", "--fail-on", "not-compared"]) == 1
    assert "not-compared" in capsys.readouterr().err


def test_two_that_share_no_cell_cannot_be_told_to_be_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no cell could be compared" in refused(capsys, "diff", "lab-small", "lab-small", "--only", "no such cell")


def test_help_names_every_kind_of_change(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["diff", "--help"])

    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(kind.value in text.replace("- ", "-") for kind in Kind)


@pytest.mark.parametrize("module", ["hairpin"])
def test_the_command_line_starts_without_what_predicting_does_not_need(module: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = ['x', 'predict', 'lab-small', '-o', '/dev/null']\n"
        f"try: runpy.run_module({module!r}, run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code)\n"
        "print([name for name in ('kubernetes', 'paramiko', 'pytest', 'jinja2', 'pyroute2') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["0", "[]"], done.stdout + done.stderr


def test_a_standard_topology_is_predicted_within_a_second_of_processor_time() -> None:
    topology = load("lab-flannel")
    began = time.process_time()

    prediction_of = Prediction.of(topology)

    assert len(prediction_of.cells) > 600
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("name", "made"), [("prediction", prediction.schema), ("diff", diff.schema)])
def test_the_schemas_on_file_are_the_models_own(name: str, made: Callable[[], str]) -> None:
    assert (ROOT / "docs" / f"{name}.schema.json").read_text(encoding="utf-8") == made()
