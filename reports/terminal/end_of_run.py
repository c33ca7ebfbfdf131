"""The last lines of a run in the terminal: matrix, scenarios, the verdict with its causes, files, the count of cells.

Printed after pytest's own lines, so that nothing scrolls the verdict away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from probes.judging.verdict import Result
from reports.analysis.contract import describe_contract
from reports.terminal import matrix, summary
from reports.terminal.scenarios import describe_scenarios
from reports.terminal.theme import to_encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from reports.analysis.causes.run_verdict import RunVerdict
    from reports.records.run import Run

QUIET = -2  # pytest -qq
NOTES = 3  # notes that are printed below causes


class Conclusion(NamedTuple):
    """A run that has ended, what could not be saved of it, and its verdict."""

    run: Run
    troubles: tuple[str, ...]
    verdict: RunVerdict


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used here."""

    verbosity: int

    def section(self, title: str) -> None:
        """Write a line with a title."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How wide a terminal is, whether it has colours, and which characters it can show."""

    width: int = 80
    color: bool = False
    encoding: str = "utf-8"


def write(terminal: Terminal, ended: Conclusion, files: Iterable[Path], screen: Screen) -> None:
    """Write the block. The matrix is part of it if all cells passed, or with -v.

    Args:
        terminal: where to write.
        ended: the run.
        files: what the run has written, for the reader to open.
        screen: the properties of the terminal.

    """
    run, verdict = ended.run, ended.verdict
    if terminal.verbosity > QUIET:
        _write_matrix(terminal, ended, screen)
        _write_scenarios(terminal, run, screen)
        terminal.section("hairpin")
        if verdict.groups:
            verbose = terminal.verbosity > 0
            text = summary.render(run, verdict, screen.width, color=screen.color, verbose=verbose)
            terminal.write_line(to_encoding(text.rstrip("\n"), screen.encoding))
        if sharpness := str(run.sharpness):
            terminal.write_line(sharpness, yellow=True)
        for line in describe_contract(run.contract, screen.width, verbose=terminal.verbosity > 0):
            terminal.write_line(to_encoding(line, screen.encoding))
        for note in _notes(run.notes, verbose=terminal.verbosity > 0 or not verdict.groups):
            terminal.write_line(f"note: {note}", yellow=True)
        terminal.write_line("\n".join(os.path.relpath(path) for path in files))
    for trouble in ended.troubles:
        terminal.write_line(f"not saved: {trouble}", red=True)
    _write_total(terminal, ended)


def _notes(notes: Sequence[str], *, verbose: bool) -> Sequence[str]:
    """Return the notes; below causes only the first NOTES, and the number of the others."""
    more = len(notes) - NOTES
    return notes if verbose or more <= 1 else [*notes[:NOTES], f"{more} more notes, in report.html or with -v"]


def _write_matrix(terminal: Terminal, ended: Conclusion, screen: Screen) -> None:
    run = ended.run
    if run.records and (terminal.verbosity > 0 or not ended.verdict.groups):
        terminal.section("matrix")
        text = matrix.render(run.records, screen.width, color=screen.color, declared=run.topology.declared)
        terminal.write_line(to_encoding(text.rstrip("\n"), screen.encoding))


def _write_scenarios(terminal: Terminal, run: Run, screen: Screen) -> None:
    if run.scenarios:
        terminal.section("scenarios")
        verbose = terminal.verbosity > 0
        for line in describe_scenarios(run.scenarios, run.contract, screen.width, verbose=verbose):
            terminal.write_line(to_encoding(line, screen.encoding))


def _write_total(terminal: Terminal, ended: Conclusion) -> None:
    """Write the last line: the count of cells below a list of causes, else the verdict; and the times."""
    verdict, passed = ended.verdict, ended.verdict.result is Result.PASS
    text = verdict.total if verdict.groups and terminal.verbosity > QUIET else verdict.headline
    spent = ", ".join(f"{name} {took:.1f} s" for name, took in ended.run.timings if took is not None)
    terminal.write_line(f"{text}  ({spent})" if spent else text, green=passed, red=not passed, bold=True)
