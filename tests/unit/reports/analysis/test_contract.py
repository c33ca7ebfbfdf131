"""The contract in a stored run, in the terminal and on the page; the rows as tests of a run."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import ContractResult
from probes.contract.load import rows
from reports.analysis.contract import add_contract, describe_contract
from reports.html import run as page
from reports.records.journal import load
from tests.unit.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from reports.records.run import Run

IPVS = ("--with=mode=ipvs", "--with=kubernetes=1.26.0")


def _simulate(out: Path, *more: str) -> tuple[Run, subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-m", "pytest", "--topology=lab-contract", "--simulate", f"--out={out}", *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return load(out / "last"), done


@pytest.fixture(scope="module")
def ipvs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, subprocess.CompletedProcess[str], Path]:
    """Return a simulated run of a kube-proxy that breaks rows, its output, and its JUnit file."""
    folder = tmp_path_factory.mktemp("ipvs")
    return *_simulate(folder, *IPVS, "-q", f"--junitxml={folder / 'junit.xml'}"), folder / "junit.xml"


@pytest.mark.slow
def test_what_kube_proxy_itself_breaks_is_reported_with_its_rule_and_never_red(
    ipvs: tuple[Run, subprocess.CompletedProcess[str], Path],
) -> None:
    run, done, _ = ipvs
    found = {row.number: row for row in run.contract}

    assert done.returncode == 0, done.stdout
    assert len(run.contract) == len(rows())
    assert {number for number, row in found.items() if row.differing} == {29, 32, 45, 94, 96}
    assert found[29].result is ContractResult.BROKEN
    assert all(one.predicted and one.rules == ("R4i.3", "R4i.4") for one in found[29].differing)
    assert found[33].free == {"ok from kept": 3}
    assert found[38].not_asked == {
        "needs a change while it is asked: healthCheckNodePort is asked while endpoints move": 0
    }
    assert "API contract: 98 rows: 34 kept, 3 broken promise, 2 unusual, 15 free, 44 not asked" in " ".join(
        done.stdout.split()
    )
    assert "XFAIL" not in done.stdout


@pytest.mark.slow
def test_junit_has_a_case_a_row(ipvs: tuple[Run, subprocess.CompletedProcess[str], Path]) -> None:
    text = ipvs[2].read_text(encoding="utf-8")
    row = 'name="contract_row" value="local-outside-node-without" />'
    verdict = r'<property name="contract_verdict" value="([^"]+)"'

    assert text.count('name="contract_row"') == sum(bool(row.asks) for row in rows())
    assert re.findall(rf"{row}\s*{verdict}", text) == ["broken promise"]


@pytest.mark.slow
def test_the_page_has_a_table_of_the_rows(ipvs: tuple[Run, subprocess.CompletedProcess[str], Path]) -> None:
    text = page.render(ipvs[0])

    assert 'id="contract" open' in text
    assert "predicted by the rules R4i.3, R4i.4" in text


@pytest.mark.slow
def test_a_row_alone_asks_its_own_cells(tmp_path: Path) -> None:
    run, done = _simulate(tmp_path, "-k", "local-outside-node-without", "-q")

    assert done.returncode == 0, done.stdout
    assert {record.cell.id for record in run.records} == {
        f"ext-e1-to-{service}.nodeport.{node}-v4-tcp"
        for service, node in (("web-np-local", "n3"), ("web-lb-local", "n3"), ("web-xip-local", "n3"))
    }


@pytest.mark.slow
def test_cells_that_were_chosen_are_not_joined_by_those_of_rows(tmp_path: Path) -> None:
    run, _ = _simulate(tmp_path, "-k", "pod-n1-to-web.clusterip", "-q")

    assert [record.cell.id for record in run.records] == ["pod-n1-to-web.clusterip-v4-tcp"]


def test_a_run_without_records_has_no_contract() -> None:
    assert describe_contract(()) == []


@pytest.mark.slow
def test_a_run_that_cannot_be_judged_gets_a_note(ipvs: tuple[Run, subprocess.CompletedProcess[str], Path]) -> None:
    broken = ipvs[0].model_copy(update={"raw_topology": {"name": "nothing"}, "contract": ()})
    judged = add_contract(broken)

    assert judged.contract == ()
    assert judged.notes[-1].startswith("the API's contract was not judged: TopologyError: ")
