"""The matrix, the summary, the page's text, JUnit and the schema."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from probes.observation import Outcome
from reports import allure, formatting
from reports.analysis.causes import failure_groups
from reports.analysis.causes.run_verdict import RunVerdict
from reports.columns import Places, split_place
from reports.html import run
from reports.records.run import Run, schema
from reports.terminal import matrix, summary
from tests.unit.support import worlds
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = worlds.records()


def a_run(**more: object) -> Run:
    head = worlds.header(worlds.cells())
    return Run(**{**{name: getattr(head, name) for name in type(head).model_fields}, "records": RECORDS[:40], **more})


def test_the_schema_on_file_is_the_models_own() -> None:
    known = (ROOT / "docs" / "run.schema.json").read_text(encoding="utf-8")

    assert known == schema(), "make it again: python -m reports.records.run > docs/run.schema.json"


def test_the_documents_name_every_key_of_the_schema() -> None:
    page = (ROOT / "docs" / "run-json.md").read_text(encoding="utf-8")
    models = json.loads(schema())
    keys = set(models["properties"]) | {
        key for model in models["$defs"].values() for key in model.get("properties", ())
    }

    assert {key for key in keys if f"`{key}`" not in page} == set()


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_the_matrix_keeps_to_its_width(width: int) -> None:
    assert max(map(len, matrix.render(RECORDS, width).splitlines())) <= width


def test_the_matrix_shows_every_cell_without_colour() -> None:
    text = matrix.render(RECORDS, 200)

    assert "\x1b[" not in text
    assert text.count("✗ 2/11 ok") == 10
    for words in ("✓ ok kept", "✓ ok vtep(n1)", "✓ refused", "✗ 2/11 ok", "timeout", "? not asked"):
        assert words in text


def test_the_matrix_is_coloured_on_a_terminal() -> None:
    text = matrix.render(RECORDS, 200, color=True)

    assert "\x1b[32m✓ ok kept" in text
    assert "\x1b[1;31m✗" in text
    assert "\x1b[33m? not asked" in text


def test_of_nothing_there_is_still_a_report() -> None:
    assert matrix.render([], 80)
    nothing = a_run(records=(), complete=True)
    assert summary.render(nothing, RunVerdict.of(nothing), 80) == "INCONCLUSIVE: 0 of 0 cells\n"
    assert "0 cells" in run.render(a_run(records=()))


def test_one_column_holds_what_is_the_same_for_every_vantage() -> None:
    declared = a_run().topology.declared
    own = [record for record in RECORDS if record.cell.service == "web-np"]
    places = Places.of(declared)

    assert places.columns(own) == (
        "clusterip",
        "nodeport.own",
        "nodeport.other with",
        "nodeport.other without",
        "nodeport.own cni0",
        "nodeport.own vtep",
        "nodeport.loopback",
    )
    assert len({(record.cell.vantage, places.column(record.cell)) for record in own}) == len(own)
    assert "web-np  ✓" in (text := matrix.render(own, 160, declared=declared))
    assert "NodePort, externalTrafficPolicy Cluster, web-a on n1, web-b on n2" in text
    assert "other without" in text


def test_without_a_declared_topology_nodes_keep_their_names() -> None:
    names = Places.of({}).columns(record for record in RECORDS if record.cell.service == "web-np")

    assert names[:4] == ("clusterip", "nodeport.own", "nodeport.own cni0", "nodeport.own vtep")
    assert {"nodeport.n1", "nodeport.n3", "nodeport.loopback"} <= set(names)


@pytest.mark.parametrize("node", ["n1", "worker-1", "a-cni0-b"])
def test_a_nodes_name_may_hold_hyphens(node: str) -> None:
    assert split_place(node) == (node, "")
    assert split_place(f"{node}-cni0") == (node, "cni0")
    assert split_place(f"{node}-vtep") == (node, "vtep")


def test_failures_are_grouped_by_cause() -> None:
    groups = failure_groups.group_failures(RECORDS, a_run().topology.declared)

    silent = sum(record.verdict == "inconclusive" for record in RECORDS)
    assert [(group.verdict, len(group.records), group.where) for group in groups] == [
        ("fail", 10, "all of Service web-np, at NodePorts of n3"),
        ("fail", 3, "all asked from ext-e1, of Service web-lb-local"),
        ("inconclusive", silent, ""),
    ]
    run = a_run(records=RECORDS, complete=True)
    text = summary.render(run, RunVerdict.of(run), 140)
    assert text.count("9 of 11 timeout") == 1
    assert text.startswith(f"FAIL: 13 of {len(RECORDS)} cells: 2 causes\n")


def test_a_run_that_passed_is_one_line() -> None:
    passed = [record for record in RECORDS if record.verdict == "pass"]
    run = a_run(records=passed, complete=True)

    assert summary.render(run, RunVerdict.of(run), 140) == f"PASS: {len(passed)} of {len(passed)} cells\n"


def test_names_of_a_kind_are_joined() -> None:
    assert formatting.join_names(["vtep(n1)", "vtep(n2)", "kept", "vtep(n1)"]) == "vtep(n1,n2) kept"
    assert formatting.join_names(["vtep(n1)", "cni0(n1)", "pod-n1"]) == "vtep/cni0(n1) pod-n1"


def test_the_expected_answers_in_one_line() -> None:
    ways = [(Outcome.OK, ["kept"], "a"), (Outcome.OK, ["vtep(n1)"], "b"), (Outcome.OK, ["kept"], "c")]
    found = formatting.summarize_expected([*ways, (Outcome.REFUSED, [], None)], sticky=False)

    assert found == "ok from a or c, source kept | ok from b, source vtep(n1) | refused"


def test_junit_properties_are_plain_text() -> None:
    found = dict(allure.properties(RECORDS[0]))

    assert set(found) == {"cell", "verdict", "rules", "because", "expected", "observed"}
    assert found["verdict"] == "pass"
    assert all(type(value) is str for value in found.values())


def test_the_overview_of_allure_stays_xml_with_the_colours_of_a_hosts_message(tmp_path: Path) -> None:
    allure.write_environment(tmp_path, [("verdict", "INCONCLUSIVE: \x1b[31mSSH to <n1> refused\x00")])

    overview = ET.parse(tmp_path / allure.ENVIRONMENT).getroot()  # noqa: S314 - our own file
    assert overview[0].findtext("value") == "INCONCLUSIVE: \ufffd[31mSSH to <n1> refused\ufffd"


def test_allure_does_nothing_without_its_plugin() -> None:
    allure.describe(RECORDS[0], "lab-flannel")


def test_the_page_asks_for_nothing_and_no_text_breaks_out() -> None:
    evil = "</script><!--<script>alert(1)</script>"
    record = RECORDS[0].model_copy(update={"because": evil, "headline": evil})
    page = run.render(a_run(records=(record,), command=evil, notes=(evil,)))

    assert evil not in page
    assert page.count("</script>") == 2
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)|@import|url\(", page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["cells"][0]["because"] == evil


def test_an_unfinished_run_is_marked() -> None:
    planned = len(worlds.cells())
    assert f"{planned - 40} of {planned} planned cells have no record" in run.render(a_run())
