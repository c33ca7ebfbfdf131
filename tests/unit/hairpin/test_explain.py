"""`hairpin explain` and `hairpin infer` over stored runs, and the explanations that a run stores itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from hairpin.main import main
from probes import session
from probes.judging.run_judge import Judge
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.records import build, journal
from reports.records.run import DeclaredTopology, Run
from topologies.loading import overrides
from topologies.loading.load import LIBRARY, load, raw

if TYPE_CHECKING:
    from pathlib import Path

NAME = "lab-small"


def store(folder: Path, changes: dict[str, Any], real: dict[str, Any] | None = None) -> Path:
    """A run of lab-small that is declared with these overrides, and really has the others."""
    declared, cluster = overrides.declared(NAME, changes), overrides.declared(NAME, real or {})
    cells = plan(declared).cells
    answers = session.simulate(cluster, cells, lambda cell, known: expect(cluster, known, cell))
    judge = Judge.over(declared, answers, cells)
    run = Run(
        topology=DeclaredTopology.of(declared),
        raw_topology=overrides.apply(raw(NAME)[0], changes),
        started="2026-11-26T01:33:00Z",
        plan=[cell.id for cell in cells],
        snapshot=answers.snapshot,
        records=tuple(build.records(judge, cells)),
    )
    folder.mkdir()
    journal.save(run, folder)
    return folder


def test_a_wrong_declaration_is_named(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})

    assert main(["explain", str(run)]) == 0
    printed = capsys.readouterr().out

    sentence = "red cells are as expected if `load_balancer.listens` is true; no other cell changes."
    assert printed.startswith("certain: ")
    assert sentence in " ".join(printed.split())
    assert "    load_balancer.listens: true (declared: false)\n" in printed


def test_explanations_are_data(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})

    assert main(["explain", str(run), "--format=json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)

    assert found["certain"]
    assert found["contradicted"] == 0
    assert len(found["explained"]) == found["red"]
    assert [(one["path"], one["value"], one["was"]) for one in found["changes"]] == [
        ("load_balancer.listens", True, False)
    ]


def test_a_run_without_failures_has_nothing_to_explain(tmp_path: Path, capsys: Any) -> None:
    assert main(["explain", str(store(tmp_path / "run", {}))]) == 0

    assert capsys.readouterr().out == "no cell failed: nothing to explain\n"


def test_a_run_with_only_inconclusive_cells_shows_nothing(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})
    path = run / "run.json"
    written = json.loads(path.read_text())
    for record in written["records"]:
        record["observed"].update(attempts=[], trouble="the pod was lost")
        record["verdict"] = "inconclusive"
    path.write_text(json.dumps(written))

    assert main(["explain", str(run)]) == 0
    assert capsys.readouterr().out == "no cell passed or failed: nothing to explain\n"


@pytest.mark.slow
def test_a_run_that_nothing_explains_ends_with_one(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {})
    path = run / "run.json"
    written = json.loads(path.read_text())
    for record in written["records"][::7]:
        record["observed"]["attempts"] = [{"outcome": "reset"}]
        record["verdict"] = "fail"
    path.write_text(json.dumps(written))

    assert main(["explain", str(run)]) == 1
    printed = capsys.readouterr().out

    assert "certain: " not in printed


@pytest.mark.slow
def test_infer_names_the_only_value_that_fits(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})

    assert main(["infer", str(run), "--all"]) == 0
    printed = capsys.readouterr().out

    assert "load_balancer.listens: true is the only one of 2 that fits (declared: false)\n" in printed
    assert "kernel.rp_filter: not distinguishable here\n" in printed
    assert "cni.masquerade: egress or flannel fits, none does not\n" in printed


@pytest.mark.slow
def test_unknown_facts_are_inferred_and_written(tmp_path: Path, capsys: Any) -> None:
    changes = {"load_balancer.listens": "unknown", "cni.masquerade": "unknown", "kernel.kubelet_rules": "unknown"}
    run = store(tmp_path / "run", changes, {"cni.masquerade": "none"})
    mine = tmp_path / "mine.yaml"
    text = (LIBRARY / f"{NAME}.yaml").read_text().replace("listens: true}", "listens: unknown}")
    mine.write_text(
        text.replace("kind: flannel-vxlan}", "kind: flannel-vxlan, masquerade: unknown}  # packets show it")
    )

    assert main(["infer", str(run), "--write", str(mine)]) == 0
    printed = capsys.readouterr().out

    assert printed.splitlines() == [
        "kernel.kubelet_rules: all is the only one of 3 that fits",
        "cni.masquerade: none is the only one of 3 that fits",
        "load_balancer.listens: true is the only one of 2 that fits",
    ]
    inferred = load(str(mine))
    assert (inferred.unknown, inferred.cni.masquerade, inferred.load_balancer.listens) == (frozenset(), "none", True)
    assert "masquerade: none}  # inferred from run lab-small 2026-11-26T01:33:00Z; packets show it" in mine.read_text()


@pytest.mark.slow
def test_inferred_values_are_written_beside_the_comments(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})
    mine = tmp_path / "mine.yaml"
    shutil.copy(LIBRARY / f"{NAME}.yaml", mine)
    mine.write_text(mine.read_text().replace("listens: true}", "listens: false}  # a guess"))

    assert main(["infer", str(run), "--all", "--write", str(mine)]) == 0

    assert "listens: true}  # inferred from run lab-small 2026-11-26T01:33:00Z; a guess\n" in mine.read_text()
    assert load(str(mine)).load_balancer.listens
    assert "load_balancer.listens: true" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["explain", "infer"])
@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"snapshot": None, "schema_version": "1"}, "snapshot: got none (schema 1)"),
        ({"raw_topology": {"name": "x"}}, "kubernetes"),
        ({"schema_version": "9"}, "made by a newer hairpin"),
    ],
)
def test_a_run_that_cannot_be_used_is_one_clear_error(
    verb: str, keys: Any, wanted: str, tmp_path: Path, capsys: Any
) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))

    assert main([verb, str(run)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert wanted in printed.err


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1e9", "nan"])
def test_a_budget_that_is_none_is_refused(text: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "out/last", "--budget", text])

    assert ended.value.code == 2
    assert f"--budget: got {text!r}, want seconds" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["explain", "infer"])
def test_a_page_that_the_verb_does_not_have_is_refused_before_the_search(
    verb: str, tmp_path: Path, capsys: Any
) -> None:
    page = tmp_path / "found.html"

    assert main([verb, "no-such-run", "-o", str(page)]) == 2
    assert capsys.readouterr().err == (
        f"hairpin {verb}: --output: got {page}, want a file for text or json. Give --format too\n"
    )
    assert not page.exists()


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path, capsys: Any) -> None:
    run = store(tmp_path / "run", {"load_balancer.listens": False})

    assert main(["infer", str(run), "--all", "--write", str(tmp_path / "nowhere.yaml")]) == 2
    assert "--write: " in capsys.readouterr().err
