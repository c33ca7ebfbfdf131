"""`hairpin conformance` and its diff: what they print, write and refuse."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
import yaml

from hairpin.main import main
from probes.contract.judging import ContractResult
from probes.contract.load import rows
from reports.analysis.conformance.diff import ROW_CHANGE_MEANINGS, RowChangeKind
from tests.unit.support.conformance_runs import CELL, finished_run
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

WHO = ("--organization=o", "--project=p", "--url=https://p.example", "--version=v1", "--contact=@o,@o/team")
BROKEN = ContractResult.BROKEN


def _save(run: Run, folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(run.model_dump_json(), encoding="utf-8")
    return str(folder)


NESTED = "[" * 40_000  # PyYAML's parsers end in a RecursionError or a segmentation fault
EXPANDING = "- &a0 [x]\n" + "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.fixture
def run(tmp_path: Path) -> str:
    return _save(finished_run(local_outside_node_without=BROKEN), tmp_path / "out" / "20261126-120000-lab")


def test_the_text_has_the_profiles_and_the_rows_that_are_not_kept(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", run, *WHO]) == 0

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("o p v1 (default): kube-proxy iptables 1.37.2")
    assert "SERVICES core failure 16 passed, 1 failed, 5 skipped" in lines
    assert "row 29 local-outside-node-without (must)" in lines
    assert "broken promise in 1 of 2 cells, predicted by the rules R4i.3, R4i.4" in lines
    assert "ok from kept (2 cells)" in lines
    assert lines[-1] == "pytest --topology=lab-contract"


def test_the_last_run_is_the_default(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "last").symlink_to(run)
    monkeypatch.chdir(tmp_path)

    assert main(["conformance", *WHO, "--format=yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["runs"] == ["20261126-120000-lab"]


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_the_ending_of_the_output_is_its_format(run: str, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"report.{ending}"

    assert main(["conformance", run, *WHO, "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    written = json.loads(text) if ending == "json" else yaml.safe_load(text)
    assert written["implementation"]["contact"] == ["@o", "@o/team"]
    assert written["reproduce"][0]["command"] == "pytest --topology=lab-contract"


def test_options_override_the_file(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "proxy.yaml"
    given = {"organization": "o", "project": "p", "url": "https://p.example", "version": 1.5, "contact": ["@o"]}
    file.write_text(yaml.safe_dump({**given, "claims": ["external-ips"], "mode": "ebpf"}), encoding="utf-8")

    assert main(["conformance", run, f"--implementation={file}", "--mode=dsr", "--format=json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert (written["mode"], written["implementation"]["version"]) == ("dsr", "1.5")
    assert written["claimedFeatures"] == ["external-ips"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WHO[:2], "the implementation is not described: got no url, version, contact, want organization, project,"),
        ((*WHO, "--url=here"), "url: got 'here', want an address such as"),
        ((*WHO, "--version=main"), "version: got 'main', want a release, a tag or a commit"),
        ((*WHO, "--claims=loadbalancer"), "claims: got loadbalancer, want some of load-balancer"),
        ((*WHO, "--claims=load-balancer"), "claims load-balancer: got 6 rows"),
        ((*WHO, "--fail-on=broken"), "--fail-on: got broken, want some of broken-promise, unusual, not-asked"),
        ((*WHO, "--implementation=nowhere.yaml"), "--implementation: nowhere.yaml cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_one_error(
    run: str, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", run, *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("hairpin conformance: ")
    assert message in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("organisation: o", "got organisation, want some of organization, project, url, version, mode, contact"),
        ("- o", "got no keys, want organization"),
        ("contact: {a: b}", "contact: got {'a': 'b'}, want a list of texts"),
        ("a: [", "got a YAML syntax error"),
        (f"a: {NESTED}", "got more than 20 levels of nesting, want at most 20"),
        (f"contact:\n{EXPANDING}", "got more than 100000 values, aliases expanded, want at most 100000"),
    ],
)
def test_a_file_that_is_no_description_is_one_error(
    run: str, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proxy.yaml").write_text(text, encoding="utf-8")

    assert main(["conformance", run, f"--implementation={tmp_path / 'proxy.yaml'}"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gate", "code", "printed"),
    [("broken-promise", 1, "--fail-on: 1 broken-promise\n"), ("unusual", 0, ""), ("not-asked", 1, "20 not-asked")],
)
def test_the_gate_shuts_on_its_kinds(
    run: str, gate: str, code: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", run, *WHO, f"--fail-on={gate}"]) == code
    assert printed in capsys.readouterr().err


def test_junit_has_a_case_for_each_row(run: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.xml"

    assert main(["conformance", run, *WHO, "-o", str(file)]) == 0
    root = ET.parse(file).getroot()  # noqa: S314 - our own file
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {row.id for row in rows()}
    assert root.attrib == {
        "name": "conformance",
        "tests": str(len(rows())),
        "failures": "1",
        "skipped": "34",
        "errors": "0",
    }
    failure = cases["local-outside-node-without"].find("failure")
    assert failure is not None
    assert failure.get("message") == "broken promise in 1 of 2 cells, predicted by the rules R4i.3, R4i.4"
    assert CELL in (failure.text or "")


def test_the_page_shows_a_row_with_its_evidence_its_rules_and_its_source(run: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"

    assert main(["conformance", run, *WHO, "-o", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    row = text.partition('id="row-29"')[2].partition("</article>")[0]
    assert text.count("<article") == len(rows())
    assert text.index('id="row-29"') < text.index('id="row-1"')
    assert f"<code>{CELL}</code> timeout, want ok" in row
    assert '<code class="badge rule">R4i.3</code>' in row
    assert "blob/v1.37.2/staging/src/k8s.io/api/core/v1/types.go" in row


@pytest.fixture
def other(tmp_path: Path) -> str:
    changed = finished_run(lb_affinity=ContractResult.UNUSUAL, externalip_outside=ContractResult.NOT_ASKED)
    return _save(changed, tmp_path / "out" / "20261127-120000-lab")


def test_the_diff_lists_the_rows_that_changed_by_level_and_worst_first(
    run: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before.yaml"
    assert main(["conformance", run, *WHO, "-o", str(before)]) == 0

    assert main(["conformance", "diff", str(before), other, "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["name"], one["level"]) for one in found["changes"]] == [
        ("newly-not-asked", "externalip-outside", "must"),
        ("fixed", "local-outside-node-without", "must"),
        ("newly-unusual", "lb-affinity", "should"),
    ]
    assert found["unchanged"] == len(rows()) - 3
    assert found["changes"][2]["evidence"] == [f"{CELL}: timeout, want ok"]


def test_the_text_of_a_diff_has_both_sides_of_a_row(run: str, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "diff", other, run]) == 0

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "newly-broken row 29 local-outside-node-without (must)" in lines
    assert lines.index("before kept in 2 cells") < lines.index("newly-asked row 98 externalip-outside (must)")


@pytest.mark.parametrize(
    ("gate", "printed"),
    [("newly-unusual", "--fail-on: 1 newly-unusual\n"), ("newly-broken", ""), ("fixed,changed-free", "1 fixed")],
)
def test_the_gate_of_a_diff(run: str, other: str, gate: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "diff", run, other, f"--fail-on={gate}"]) == bool(printed)
    assert printed in capsys.readouterr().err


def test_a_report_does_not_differ_from_itself(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "diff", run, run, f"--fail-on={','.join(RowChangeKind)}"]) == 0
    assert capsys.readouterr().out.startswith(f"{len(rows())} rows compared: {len(rows())} unchanged\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one.yaml"], "diff: got 1 reports or runs, want 2"),
        (["a.yaml", "b.yaml", "--format=html"], "--format: got html, want text or json or yaml"),
        (["none.yaml", "none.yaml"], "none.yaml is no readable conformance report: No such file or directory"),
        (
            ["text.yaml", "text.yaml"],
            "text.yaml: got no apiVersion and kind, want hairpin/v1 ConformanceReport. Write one with",
        ),
        (["torn.yaml", "torn.yaml"], "torn.yaml is no readable conformance report: date: got no such key, want it"),
        (
            ["deep.yaml", "deep.yaml"],
            "deep.yaml is no readable conformance report: line 1, column 21: got more than 20",
        ),
        (
            ["wide.yaml", "wide.yaml"],
            "wide.yaml is no readable conformance report: line 7, column 48: got more than 2000",
        ),
        (["a", "b", "--fail-on=unusual"], "--fail-on: got unusual, want some of newly-broken, newly-unusual"),
    ],
)
def test_sides_that_cannot_be_compared_are_one_error(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.yaml").write_text("just text", encoding="utf-8")
    (tmp_path / "deep.yaml").write_text(NESTED, encoding="utf-8")
    (tmp_path / "wide.yaml").write_text(EXPANDING, encoding="utf-8")
    (tmp_path / "torn.yaml").write_text("apiVersion: hairpin/v1\nkind: ConformanceReport\n", encoding="utf-8")

    assert main(["conformance", "diff", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_docs_have_every_kind_of_change_with_its_meaning() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| `((?:newly|row|changed|fixed)[a-z-]*)` \| (.+?) \|$", page, re.MULTILINE))

    assert found == {kind.value: ROW_CHANGE_MEANINGS[kind] for kind in RowChangeKind}
