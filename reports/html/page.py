"""A prediction or a comparison as one self-contained HTML page, in the look of a run's report.

Nothing is fetched: style, script and data are inside, the data as JSON in which no `<` can end the script element.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from probes.oracle.catalogue import CATALOGUE, versions
from reports.analysis.change_classes import MEANINGS, OF_VERDICTS, Kind
from reports.columns import LEGEND, Places
from reports.terminal.diff import alike, compared
from reports.terminal.explanation import percent
from reports.terminal.prediction import ALWAYS, NEVER, SOMETIMES, reach, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.analysis.diff import Comparison
    from reports.records.prediction import Predicted, Prediction
    from reports.records.schema import Address

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_MARKS = {ALWAYS: "ok", SOMETIMES: "some", NEVER: "no"}
_BAD = frozenset(
    {Kind.NEWLY_FAILING, Kind.STILL_FAILING, Kind.LOST_REACHABILITY, Kind.INTERMITTENT, Kind.WRONG_BACKEND}
)
_GOOD = frozenset({Kind.FIXED, Kind.GAINED_REACHABILITY, Kind.GAINED_SOURCE})
_WARN = frozenset(
    {
        Kind.NEWLY_INCONCLUSIVE,
        Kind.UNPROVEN_SHARE,
        Kind.LOST_SOURCE,
        Kind.CHANGED_SOURCE,
        Kind.FEWER_BACKENDS,
        Kind.CHANGED_SHARE,
    }
)


def prediction(told_of: Prediction) -> str:
    """The page of a topology's expected table."""
    found = [reach(one.expected) for one in told_of.cells]
    return _page(
        "predict.html.j2",
        prediction=told_of,
        counts={kind: found.count(kind) for kind in _MARKS},
        marks=_MARKS,
        services=_services(told_of),
        legend=LEGEND,
        data=_embedded(_data(told_of)),
    )


def comparison(told_of: Comparison) -> str:
    """The page of what changes from one side to another."""
    return _page(
        "diff.html.j2",
        comparison=told_of,
        meanings=MEANINGS,
        tone=tone,
        alike=alike,
        compared=compared(told_of),
        of_verdicts=OF_VERDICTS,
        reasons=_reasons(told_of),
    )


def tone(kind: Kind) -> str:
    """How bad a kind of change looks: `fail`, `inconclusive` (mind it), `pass` (gained), or `plain`."""
    if kind in _BAD:
        return "fail"
    if kind in _WARN:
        return "inconclusive"
    return "pass" if kind in _GOOD else "plain"


def _page(name: str, **values: object) -> str:
    page: str = (
        _templates()
        .get_template(name)
        .render(style=_part("report.css") + _part("pages.css"), script=_part("pages.js"), **values)
    )
    return page


@cache
def _templates() -> Environment:
    loader = PackageLoader("reports.html", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@cache
def _part(name: str) -> str:
    return resources.files("reports.html").joinpath("templates", name).read_text(encoding="utf-8")


def _embedded(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


def _services(told_of: Prediction) -> list[dict[str, Any]]:
    """Per Service: name, about, columns, and a row per vantage of (number, cell, words) or None."""
    places = Places.of(told_of.topology.declared)
    numbered = list(enumerate(told_of.cells))
    services = []
    for name in dict.fromkeys(one.cell.service for one in told_of.cells):
        own = [(number, one) for number, one in numbered if one.cell.service == name]
        columns = places.columns(one for _, one in own)
        at = {(one.cell.vantage, places.column(one.cell)): _face(number, one) for number, one in own}
        rows = {vantage: [at.get((vantage, column)) for column in columns] for vantage, _ in at}
        heads = [column.partition(".")[::2] for column in columns]
        services.append({"name": name, "about": places.abouts.get(name, ""), "heads": heads, "rows": rows})
    return services


def _face(number: int, one: Predicted) -> dict[str, Any]:
    """What a cell's button shows: the outcome (or the share that must be answered), and below it the source."""
    words = told(one).split(" ")
    first = {ALWAYS: 1, SOMETIMES: 2, NEVER: len(words)}[reach(one.expected)]
    outcome, source = " ".join(words[:first]), " ".join(words[first:])
    return {
        "number": number,
        "id": one.cell.id,
        "mark": _MARKS[reach(one.expected)],
        "outcome": outcome,
        "source": source,
    }


def _data(told_of: Prediction) -> dict[str, Any]:
    used = {rule for one in told_of.cells for rule in one.rules}
    rules = {rule.id: [rule.sentence, versions(rule), rule.citation] for rule in CATALOGUE if rule.id in used}
    return {"cells": [_cell(one) for one in told_of.cells], "rules": rules}


def _cell(one: Predicted) -> dict[str, Any]:
    return {
        "id": one.cell.id,
        "asks": one.target or one.trouble,
        "expected": one.expected.summary,
        "because": one.because,
        "ways": _ways(one),
    }


def _ways(one: Predicted) -> list[list[Any]]:
    """[share, outcome, source, backends, rules] of each way; those by the same rules to the same source are one."""
    shares: dict[tuple[str, str, tuple[str, ...]], float] = {}
    backends: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for way in one.expected.paths:
        key = way.outcome.value, _full(way.sources), way.rules
        shares[key] = shares.get(key, 0) + way.share
        backends.setdefault(key, []).extend([way.backend] if way.backend else [])
    return [[percent(share), *key[:2], " or ".join(backends[key]), key[2]] for key, share in shares.items()]


def _full(sources: Iterable[Address]) -> str:
    return " or ".join(f"{one.address} {one.said}" if one.said != str(one.address) else one.said for one in sources)


def _reasons(told_of: Comparison) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for left in told_of.not_compared:
        reasons.setdefault(left.reason, []).append(left.cell)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))
