"""The matrix, the summary, the page's text, JUnit and the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import worlds

from probes.observation import Outcome
from reports import allure, html, matrix, summary, words
from reports.run import Run, schema

RECORDS = worlds.records()
ROOT = Path(__file__).parents[3]


def a_run(**more: object) -> Run:
    head = worlds.header(worlds.cells())
    return Run(**{**{name: getattr(head, name) for name in type(head).model_fields}, "records": RECORDS[:40], **more})


def test_the_schema_on_file_is_the_models_own() -> None:
    known = (ROOT / "docs" / "run.schema.json").read_text(encoding="utf-8")

    assert known == schema(), "make it again: python -m reports.run > docs/run.schema.json"


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


def test_the_matrix_tells_every_cell_without_colour() -> None:
    text = matrix.render(RECORDS, 200)

    assert "\x1b[" not in text
    assert text.count("✗ 2/11 ok") == 10
    for told in ("✓ ok kept", "✓ ok vtep(n1)", "✓ refused", "✗ 2/11 ok vtep(n1), timeout", "? not asked"):
        assert told in text


def test_the_matrix_is_coloured_on_a_terminal() -> None:
    text = matrix.render(RECORDS, 200, color=True)

    assert "\x1b[32m✓ ok kept" in text
    assert "\x1b[1;31m✗" in text
    assert "\x1b[33m? not asked" in text


def test_of_nothing_there_is_still_a_report() -> None:
    assert matrix.render([], 80)
    assert "0 cells: none asked" in summary.render([], 80)
    assert "0 cells" in html.render(a_run(records=()))


def test_failures_of_one_reason_are_told_once() -> None:
    groups = summary.groups(RECORDS)

    assert [(group.verdict, len(group.records)) for group in groups] == [
        ("fail", 10),
        ("fail", 3),
        ("inconclusive", 86),
    ]
    text = summary.render(RECORDS, 140)
    assert text.count("9 of 11 timeout") == 1
    assert "532 cells: 433 pass, 13 fail, 86 inconclusive" in text
    assert "and 73 more" in text


def test_names_of_a_kind_are_joined() -> None:
    assert words.joined(["vtep(n1)", "vtep(n2)", "kept", "vtep(n1)"]) == "vtep(n1,n2) kept"
    assert words.short_name("10.244.1.0", "10.244.1.0 (vtep of n1)") == "vtep(n1)"
    assert words.short_name("10.244.1.9", "10.244.1.9 (pod-n1)") == "pod-n1"
    assert words.short_name("192.0.2.1", "192.0.2.1") == "192.0.2.1"


def test_the_expected_answers_in_one_line() -> None:
    ways = [(Outcome.OK, ["kept"], "a"), (Outcome.OK, ["vtep(n1)"], "b"), (Outcome.OK, ["kept"], "c")]
    told = words.expected([*ways, (Outcome.REFUSED, [], None)], sticky=False)

    assert told == "ok from a or c, source kept | ok from b, source vtep(n1) | refused"


def test_junit_properties_are_plain_text() -> None:
    told = dict(allure.properties(RECORDS[0]))

    assert set(told) == {"cell", "verdict", "rules", "because", "expected", "observed"}
    assert told["verdict"] == "pass"
    assert all(type(value) is str for value in told.values())


def test_allure_says_nothing_without_its_plugin() -> None:
    allure.describe(RECORDS[0], "lab-flannel")


def test_the_page_asks_for_nothing_and_no_text_breaks_out() -> None:
    evil = "</script><!--<script>alert(1)</script>"
    record = RECORDS[0].model_copy(update={"because": evil, "headline": evil})
    page = html.render(a_run(records=(record,), command=evil, notes=(evil,)))

    assert evil not in page
    assert page.count("</script>") == 2
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)|@import|url\(", page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["cells"][0]["because"] == evil


def test_an_unfinished_run_says_so() -> None:
    assert "492 of 532 planned cells have no record" in html.render(a_run())
