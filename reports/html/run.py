"""The page of a run: a matrix per Service, filters, and each cell's account one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports import formatting
from reports.analysis.counts import classify_omissions, count_verdicts
from reports.analysis.failure_groups import count_coordinates, group_failures
from reports.columns import LEGEND, Places, by_service
from reports.formatting import MARKS
from reports.html.page import embed_json, render_page
from reports.records.journal import write_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from reports.records.record import Record
    from reports.records.run import Run
    from reports.records.schema import Address, Try

LONGEST_S = 1e9  # a tampered run's duration must still be a JSON number in ms


def render(run: Run) -> str:
    """Return the whole page. Size: about 20 kB and 1 to 2 kB a cell."""
    return render_page(
        "run.html.j2",
        styles=("page.css",),
        script="run.js",
        run=run,
        facts=_facts(run),
        counts=count_verdicts(run.records),
        marks=MARKS,
        total=len(run.records),
        unasked=len(run.unasked),
        legend=LEGEND,
        omissions=classify_omissions(run.omissions, run.topology.declared),
        data=embed_json(_data(run)),
    )


def write(run: Run, path: Path) -> Path:
    """Write the page.

    Raises:
        JournalError: the file cannot be written.

    """
    try:
        path.write_text(render(run), encoding="utf-8")
    except OSError as error:
        failure = write_error("the report could not be written", path, error)
        raise failure from error
    return path


def _facts(run: Run) -> dict[str, object]:
    """Return what the page's head shows of the cluster."""
    cni = run.topology.declared.get("cni")
    known = {"cni": cni["kind"] if isinstance(cni, dict) and "kind" in cni else None, **run.environment}
    named = {"kube-proxy": known.get("mode"), "version": known.get("version"), "cni": known["cni"]}
    return {name: value for name, value in named.items() if value}


def _data(run: Run) -> dict[str, Any]:
    """Return what the script reads: `cells`, `columns` and `abouts` per Service, `groups` of indices into `cells`."""
    places = Places.of(run.topology.declared)
    services = by_service(run.records)
    totals = count_coordinates(run.records)
    index = {record.cell.id: number for number, record in enumerate(run.records)}
    return {
        "cells": [_cell(record, places) for record in run.records],
        "columns": {service: places.columns(records) for service, records in services.items()},
        "abouts": {service: places.abouts.get(service, "") for service in services},
        "groups": [
            {
                "verdict": group.verdict,
                "headline": group.headline,
                "shared": [*group.shared(totals), *([f"rules {' '.join(group.rules)}"] if group.rules else [])],
                "cells": [index[record.cell.id] for record in group.records],
            }
            for group in group_failures(run.records)
        ],
    }


def _cell(record: Record, places: Places) -> dict[str, Any]:
    observed, node = record.observed, record.cell.vantage_node
    return {
        "id": record.cell.id,
        "vantage": record.cell.vantage,
        "service": record.cell.service,
        "frontend": record.cell.frontend,
        "column": places.column(record.cell),
        "verdict": record.verdict,
        "mark": MARKS[record.verdict],
        "outcome": formatting.format_cell(observed.outcomes, (), observed.trouble),
        "source": _said(observed.sources),
        "answered": "ok" in observed.outcomes,
        "headline": record.headline,
        "where": f"{record.cell.vantage_kind}{f' on {node}' if node else ', outside the cluster'}",
        "target": f"{record.target} {record.cell.family} {record.cell.protocol}",
        "facets": record.facets,
        "because": record.because,
        "rules": record.rules,
        "expected": record.expected.summary,
        "ways": [
            [
                way.outcome,
                formatting.list_addresses(way.sources),
                way.backend or "",
                round(way.share, 3),
                " ".join(way.rules),
            ]
            for way in record.expected.paths
        ],
        "observed": observed.summary,
        "seen": [[formatting.list_addresses([seen]), seen.count] for seen in observed.sources],
        "attempts": [_attempt(one) for one in observed.attempts],
        "account": [[line.label, line.text] for line in record.account],
    }


def _attempt(one: Try) -> list[Any]:
    note = one.message or (f"curl exit {one.exit_code}" if one.exit_code else "")
    note = ", ".join(filter(None, [note, "asked again at low load" if one.loaded else ""]))
    source = str(one.source.address) if one.source else ""
    return [one.outcome, source, one.backend or "", round(min(one.seconds, LONGEST_S) * 1000, 1), note]


def _said(sources: Iterable[Address]) -> str:
    return formatting.join_names(source.label for source in sources)
