"""The summary of a failed run fits a screen, whatever the terminal; -v has the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.judging.verdict import Result
from reports.analysis.causes.run_verdict import RunVerdict
from reports.records.schema import ChangedFact, StoredExplanation
from reports.terminal import matrix, summary
from reports.terminal.theme import to_encoding
from tests.unit.support.broken_cluster import mixed_run, run_of

if TYPE_CHECKING:
    from reports.records.run import Run

GOLDEN = Path(__file__).with_name("golden")
SCREEN = 40  # lines
FAULTS = ["cni-masquerade", "proxy", "policy", "host-down"]
EXPLAINED = "65 of 65 red cells are as expected if nodes.n1.cni.masquerade is none; no other cell changes."


def rendered(run: Run, width: int = 80, *, verbose: bool = False, color: bool = False) -> str:
    return summary.render(run, RunVerdict.of(run), width, color=color, verbose=verbose)


def explained_run(*, certain: bool = True) -> Run:
    run = run_of("cni-masquerade")
    cells = tuple(record.cell.id for record in run.records if record.verdict is Result.FAIL)
    change = ChangedFact(path="nodes.n1.cni.masquerade", value="none", was="flannel")
    other = ChangedFact(path="nodes.n1.cni.kind", value="routed", was="flannel-vxlan", text="n1 has another CNI")
    one = StoredExplanation(
        text=EXPLAINED.replace("nodes.n1.cni.masquerade", "`nodes.n1.cni.masquerade`"),
        certain=certain,
        changes=(change,),
        alternatives=((other,),),
        explained=cells,
        red=len(cells),
    )
    return run.model_copy(update={"explanations": (one,)})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("width", [80, 120])
def test_a_summary_fits_a_screen(fault: str, width: int) -> None:
    assert rendered(run_of(fault), width).count("\n") <= SCREEN


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("width", [40, 60, 80, 120, 240])
def test_only_a_command_to_copy_is_wider_than_the_terminal(fault: str, width: int) -> None:
    wide = [line for line in rendered(run_of(fault), width).splitlines() if len(line) > width]

    assert [line for line in wide if not line.startswith("    again     pytest ")] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_line_is_the_verdict(fault: str) -> None:
    run = run_of(fault)

    assert rendered(run, 240).splitlines()[0] == RunVerdict.of(run).headline


@pytest.mark.parametrize("name", ["cni-masquerade", "policy"])
def test_a_summary_as_it_is_printed(name: str) -> None:
    """The rule's sentence is left out: it is tested with the rules."""
    text = re.sub(r"(?<=\n    rule      )R[^ ]+ .*?(?=\n    again)", "…", rendered(run_of(name)), flags=re.DOTALL)

    assert text == (GOLDEN / f"{name}-80.txt").read_text(encoding="utf-8")


def test_an_explanation_leads() -> None:
    first, _, second, third, *_ = rendered(explained_run(), 140).splitlines()

    assert first == "FAIL: 65 of 618 cells, all asked from n1: nodes.n1.cni.masquerade is none"
    assert second.split(maxsplit=1) == ["certain", EXPLAINED]
    assert third.split(maxsplit=1) == ["or", "n1 has another CNI"]


def test_an_explanation_that_is_not_the_only_one_is_only_possible() -> None:
    first, _, second, *_ = rendered(explained_run(certain=False), 140).splitlines()

    assert first.endswith(": perhaps nodes.n1.cni.masquerade is none")
    assert second.split(maxsplit=1) == ["possible", EXPLAINED]


def test_a_run_that_nothing_explains_is_marked() -> None:
    none = StoredExplanation(text="No change that was tried explains any of the 65 failed cells.", red=65)
    run = run_of("cni-masquerade").model_copy(update={"explanations": (none,)})
    first, *lines = rendered(run, 160).splitlines()

    assert first.endswith("source not masqueraded, no answer, unexpected answer, source not preserved")
    assert "no cause  No change that was tried explains any of the 65 failed cells." in lines


def test_the_overview_counts_no_inconclusive_cell_as_failed() -> None:
    runs = (run_of("policy"), run_of("host-down"), mixed_run())
    heads = [re.findall(r"^([a-z ]+/all)  ", rendered(run), re.MULTILINE) for run in runs]

    assert heads == [["failed/all"], ["inconclusive/all"], ["not passed/all"]]
    assert re.search(r"\nweb-np-local .* 3/7 ✗  2/3 ✗ 1/3 \?\n", rendered(mixed_run(), 120))


def test_a_single_client_that_does_not_fit_is_counted_in_the_singular() -> None:
    assert "\nand 1 more client, in report.html\n" in rendered(run_of("policy"), 70)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_an_overview_of_two_verdicts_keeps_to_its_width(width: int) -> None:
    wide = [line for line in rendered(mixed_run(), width).splitlines() if len(line) > width]

    assert [line for line in wide if not line.startswith("    again     pytest ")] == []


def test_the_command_is_one_line_however_narrow_the_terminal() -> None:
    command = "pytest --topology=lab-flannel -k 'pod-n1-to-host.clusterip-v4-tcp'"

    assert f"    again     {command}\n" in rendered(run_of("cni-masquerade"), 40)


def test_words_are_explained_where_they_stand() -> None:
    text = rendered(run_of("cni-masquerade"))

    assert "kept      the backend sees the client's own address" in text
    assert "primary   primary(n1) is the InternalIP of node n1" in text
    assert "other with" not in text


def test_verbose_lists_every_frontend_and_the_whole_account() -> None:
    run = run_of("cni-masquerade")
    text = rendered(run, 200, verbose=True)

    frontends = {f"{one.cell.service}.{one.cell.frontend}" for one in run.records if one.verdict is Result.FAIL}
    assert all(f"{frontend}  from " in text for frontend in frontends)
    for part in ("because   R0.1 R2.1", "evidence  out/last/run.json", "web-xip-local"):
        assert part in text
    assert "in report.html" not in text


def test_a_plain_terminal_gets_no_escapes_and_a_coloured_one_does() -> None:
    assert "\x1b" not in rendered(run_of("policy"))
    assert "\x1b[1;31mFAIL: 27 of 618 cells" in rendered(run_of("policy"), color=True)


def test_an_encoding_without_the_signs_gets_others() -> None:
    text = rendered(run_of("policy"))

    assert to_encoding(text, "utf-8") == text
    assert "x 1. 27 cells" in to_encoding(text, "ascii")
    assert to_encoding(text, "ascii").isascii()
    assert to_encoding(text, "no such encoding").isascii()


def test_a_failed_cell_of_the_matrix_shows_what_was_expected() -> None:
    run = run_of("cni-masquerade")
    text = matrix.render(run.records, 200, declared=run.topology.declared)

    assert "✗ source kept" in text
    assert "expected primary(n1)" in text
    assert "✗ ok kept" not in text
    assert "kept: the backend sees the client's own address" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_matrix_of_a_failed_run_keeps_to_its_width(width: int) -> None:
    run = run_of("policy")

    assert max(map(len, matrix.render(run.records, width, declared=run.topology.declared).splitlines())) <= width
