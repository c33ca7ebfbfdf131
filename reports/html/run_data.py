"""The data that the script of a run's page reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.judging.verdict import Result
from reports import formatting
from reports.analysis.causes.deciding_rule import find_deciding_rule
from reports.analysis.causes.differences import describe_difference, format_difference
from reports.analysis.repeat_command import repeat_command
from reports.columns import Places, by_service
from reports.formatting import MARKS
from reports.glossary import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.analysis.causes.failure_groups import FailureGroup
    from reports.analysis.causes.run_verdict import RunVerdict
    from reports.records.record import Record
    from reports.records.run import Run
    from reports.records.schema import Address, Try

LONGEST_S = 1e9  # a tampered run's duration must still be a JSON number in ms
CELL = "CELL"  # the script puts a cell's id in its place in the command


def describe_cells(run: Run, verdict: RunVerdict) -> dict[str, Any]:
    """Return `cells`, `columns` and `abouts` per Service, `groups` of indices into `cells`, words and sentences."""
    places = Places.of(run.topology.declared)
    services = by_service(run.records)
    index = {record.cell.id: number for number, record in enumerate(run.records)}
    return {
        "cells": [_cell(record, places) for record in run.records],
        "columns": {service: places.columns(records) for service, records in services.items()},
        "abouts": {service: places.abouts.get(service, "") for service in services},
        "groups": [_group(group, index, verdict) for group in verdict.groups],
        "command": repeat_command(run, CELL),
        "words": WORDS,
    }


def _group(group: FailureGroup, index: dict[str, int], verdict: RunVerdict) -> dict[str, Any]:
    first = group.records[0]
    rule = find_deciding_rule(first) if group.verdict is Result.FAIL else None
    return {
        "verdict": group.verdict,
        "headline": group.headline,
        "explanation": group.explanation if len(verdict.groups) > 1 else "",
        "where": group.where,
        "ways": [[len(one.records), one.difference.expected, one.difference.observed] for one in group.differences],
        "rule": [rule.id, rule.sentence] if rule else None,
        "cells": [index[record.cell.id] for record in group.records],
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
        "source": _join_labels(observed.sources),
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
        **_difference(record),
    }


def _difference(record: Record) -> dict[str, Any]:
    """Return what only a failed cell has: what was expected and observed in short, and the deciding rule."""
    if record.verdict is not Result.FAIL:
        return {}
    found, rule = describe_difference(record), find_deciding_rule(record)
    seen, due = format_difference(record)
    differs = [found.expected, found.observed]
    return {"seen_short": seen, "short": due, "differs": differs, "rule": rule.id if rule else ""}


def _attempt(one: Try) -> list[Any]:
    note = one.message or (f"curl exit {one.exit_code}" if one.exit_code else "")
    note = ", ".join(filter(None, [note, "asked again at low load" if one.loaded else ""]))
    source = str(one.source.address) if one.source else ""
    return [one.outcome, source, one.backend or "", round(min(one.seconds, LONGEST_S) * 1000, 1), note]


def _join_labels(sources: Iterable[Address]) -> str:
    return formatting.join_names(source.label for source in sources)
