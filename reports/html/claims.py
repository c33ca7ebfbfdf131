"""The pages of vendors' documented tables: the vendor's own layout, each cell with its evidence, and an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.contract.load import rows
from probes.judging.verdict import Result
from probes.oracle.catalogue import sentence
from probes.vendor_claims.departures import departures, describe
from probes.vendor_claims.load import pages
from reports.analysis.claim_evidence import STANDINGS, collect_evidence
from reports.formatting import MARKS
from reports.html.page import render_page
from reports.records.journal import write_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from probes.vendor_claims.model import Page, Table
    from reports.analysis.claim_evidence import ClaimEvidence
    from reports.records.run import Run

FOLDER = "documented"
INDEX = "index.html"
_STYLES = ("page.css", "claims.css")
_SCRIPT = "claims.js"


def write(folder: Path, runs: Sequence[Run] = ()) -> list[Path]:
    """Write every vendor's page and an index.

    Raises:
        JournalError: a file cannot be written.

    """
    written = []
    evidence = {page.name: collect_evidence(page, runs) for page in pages()}
    documents = {f"{page.name}.html": render(page, evidence[page.name], runs) for page in pages()}
    documents[INDEX] = _index(evidence, runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            path = folder / name
            path.write_text(document, encoding="utf-8")
            written.append(path)
    except OSError as error:
        what = "the documented tables could not be written"
        raise write_error(what, folder, error) from error
    return written


def render(page: Page, evidence: dict[str, ClaimEvidence], runs: Sequence[Run] = ()) -> str:
    """Return one vendor's page."""
    tables = [(table, list(_rows(table, evidence))) for table in page.tables]
    statements = {
        table.id: [evidence[f"{table.id}.s{n}"] for n, _ in enumerate(table.statements, 1)] for table in page.tables
    }
    return render_page(
        "claims.html.j2",
        styles=_STYLES,
        script=_SCRIPT,
        page=page,
        tables=tables,
        statements=statements,
        evidence=evidence,
        neighbours=pages(),
        counts=_counts(evidence.values()),
        standings=STANDINGS,
        sentences={rule: sentence(rule) for rule in _named(evidence.values())},
        contract={row.id: row for row in rows()},
        departures={name: [describe(row) for row in departures(claim)] for name, claim in page.claims()},
        runs=runs,
        marks=MARKS,
    )


def _rows(
    table: Table, evidence: dict[str, ClaimEvidence]
) -> Iterator[tuple[list[tuple[str, int]], list[ClaimEvidence | str]]]:
    """Yield each row's head as (text, rows it spans), and its other cells: a claim or a plain text."""
    for number, row in enumerate(table.rows, start=1):
        named = zip(table.columns[len(row.head) :], row.cells, strict=True)
        cells = [cell if isinstance(cell, str) else evidence[table.id_of(number, column)] for column, cell in named]
        yield _heads(table, number - 1), cells


def _heads(table: Table, index: int) -> list[tuple[str, int]]:
    """Return a row's head. Its first text spans all rows below that share it, and is missing there."""
    head = table.rows[index].head
    if len(head) < 2:  # noqa: PLR2004 - one column of heads is one head a row
        return [(text, 1) for text in head]
    above = index and table.rows[index - 1].head[:1] == head[:1]
    shared = next((n for n, row in enumerate(table.rows[index:]) if row.head[:1] != head[:1]), len(table.rows) - index)
    return [*([] if above else [(head[0], shared)]), *((text, 1) for text in head[1:])]


def _counts(claims: Iterable[ClaimEvidence]) -> dict[str, Any]:
    every = list(claims)
    standings = {name: sum(one.standing == name for one in every) for name in STANDINGS.values()}
    results = {result: sum(one.result is result for one in every) for result in Result}
    return {"claims": len(every), "standings": standings, "results": results}


def _named(claims: Iterable[ClaimEvidence]) -> list[str]:
    return sorted({rule for one in claims for tried in one.tried for span in tried.spans for rule in span.rules})


def _index(evidence: dict[str, dict[str, ClaimEvidence]], runs: Sequence[Run]) -> str:
    return render_page(
        "claims-index.html.j2",
        styles=_STYLES,
        script=_SCRIPT,
        pages=[(page, _counts(evidence[page.name].values())) for page in pages()],
        standings=STANDINGS,
        runs=runs,
        marks=MARKS,
    )
