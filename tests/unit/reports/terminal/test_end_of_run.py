"""The last lines of a run: what is printed for which verdict and verbosity."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reports.analysis.causes.run_verdict import RunVerdict
from reports.terminal import end_of_run
from reports.terminal.end_of_run import Conclusion, Screen
from tests.unit.support.broken_cluster import run_of


@dataclass
class Recorder:
    """A terminal that keeps what is written."""

    verbosity: int = 0
    lines: list[str] = field(default_factory=list)

    def section(self, title: str) -> None:
        self.lines.append(f"=== {title}")

    def write_line(self, line: str, **_: bool) -> None:
        self.lines += line.splitlines()


def lines(fault: str, verbosity: int = 0, screen: Screen | None = None, **more: object) -> list[str]:
    run, terminal = run_of(fault).model_copy(update=more), Recorder(verbosity)
    ended = Conclusion(run, ("disk full",) if verbosity == 0 else (), RunVerdict.of(run))
    end_of_run.write(terminal, ended, [Path("out/x/report.html")], screen or Screen())
    return terminal.lines


@pytest.mark.parametrize(
    ("fault", "verbosity", "sections"),
    [
        ("none", 0, ["=== matrix", "=== hairpin"]),
        ("policy", 0, ["=== hairpin"]),
        ("policy", -1, ["=== hairpin"]),
        ("policy", 1, ["=== matrix", "=== hairpin"]),
        ("policy", -2, []),
    ],
)
def test_the_matrix_is_printed_when_all_passed_or_with_v(fault: str, verbosity: int, sections: list[str]) -> None:
    assert [line for line in lines(fault, verbosity) if line.startswith("===")] == sections


def test_the_last_line_counts_cells() -> None:
    assert lines("policy")[-1] == "618 cells: 27 fail, 591 pass"
    assert lines("none")[-1] == "PASS: 618 of 618 cells"
    assert lines("policy", -2)[-1].startswith("FAIL: 27 of 618 cells")


def test_what_could_not_be_saved_is_always_printed() -> None:
    assert "not saved: disk full" in lines("policy")


def test_many_notes_do_not_push_the_verdict_away() -> None:
    notes = tuple(f"node n{number} is odd" for number in range(30))

    assert [line for line in lines("policy", notes=notes) if line.startswith("note: ")] == [
        *(f"note: node n{number} is odd" for number in range(3)),
        "note: 27 more notes, in report.html or with -v",
    ]
    assert sum(line.startswith("note: ") for line in lines("policy", 1, notes=notes)) == 30
    assert sum(line.startswith("note: ") for line in lines("policy", notes=notes[:4])) == 4


def test_everything_fits_a_narrow_log_without_the_signs() -> None:
    found = lines("policy", screen=Screen(60, encoding="ascii"))

    assert "".join(found).isascii()
    assert max(len(line) for line in found if "again" not in line and not line.startswith("note")) <= 60
