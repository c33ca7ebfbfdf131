from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.contract.judging import ContractResult
from probes.scenarios.results import (
    FILE_NAME,
    ScenarioCheck,
    ScenarioFileError,
    ScenarioResult,
    ScenarioStep,
    read_results,
    write_results,
)

if TYPE_CHECKING:
    from pathlib import Path


def check(result: ContractResult) -> ScenarioCheck:
    return ScenarioCheck("several-ports", "pod-n1", "n1", "s-a.clusterip", "ok", result, "timeout, want ok", 1.5, 0.5)


def result(*results: ContractResult) -> ScenarioResult:
    step = ScenarioStep("off", "sessionAffinity becomes None", "2026-11-26T15:00:00+00:00", tuple(map(check, results)))
    return ScenarioResult("affinity", "Affinity is switched off", ("several-ports",), (step,), 3.25)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = (result(ContractResult.KEPT), result(ContractResult.BROKEN, ContractResult.FREE), result())

    write_results(tmp_path, written)

    assert read_results(tmp_path) == written
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME]


def test_a_run_without_scenarios_has_no_results(tmp_path: Path) -> None:
    assert read_results(tmp_path) == ()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"id": "a"}]', "\x00\xff"])
def test_a_file_of_another_form_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")

    with pytest.raises(ScenarioFileError, match=r"scenarios: .*scenarios.json: got .*, want the results of scenarios"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("results", "worst"),
    [
        ((), ContractResult.NOT_ASKED),
        ((ContractResult.NOT_ASKED, ContractResult.FREE), ContractResult.FREE),
        ((ContractResult.FREE, ContractResult.KEPT), ContractResult.KEPT),
        ((ContractResult.KEPT, ContractResult.UNUSUAL), ContractResult.UNUSUAL),
        ((ContractResult.UNUSUAL, ContractResult.BROKEN), ContractResult.BROKEN),
    ],
)
def test_the_worst_check_decides(results: tuple[ContractResult, ...], worst: ContractResult) -> None:
    assert result(*results).result is worst
    assert [one.differs for one in result(*results).checks] == [
        one in {ContractResult.BROKEN, ContractResult.UNUSUAL} for one in results
    ]
