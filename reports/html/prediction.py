"""The page of a prediction: what must come back for every cell of a topology."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probes.oracle.catalogue import CATALOGUE, versions
from reports import formatting
from reports.analysis.counts import classify_omissions
from reports.analysis.reachability import ALWAYS, NEVER, OPEN, SOMETIMES, classify_reachability, describe_prediction
from reports.columns import LEGEND, Places, by_service
from reports.html.page import embed_json, render_page

if TYPE_CHECKING:
    from reports.records.prediction import Predicted, Prediction

_MARKS = {ALWAYS: "ok", SOMETIMES: "some", OPEN: "some", NEVER: "no"}


def render(prediction: Prediction) -> str:
    """Return the page of a topology's expected table."""
    found = [classify_reachability(one.expected) for one in prediction.cells]
    return render_page(
        "prediction.html.j2",
        styles=("page.css", "filtered.css"),
        script="filtered.js",
        prediction=prediction,
        counts={kind: found.count(kind) for kind in _MARKS if kind != OPEN or kind in found},
        marks=_MARKS,
        services=_services(prediction),
        legend=LEGEND,
        omissions=classify_omissions(prediction.omissions, prediction.topology.declared),
        data=embed_json(_data(prediction)),
    )


def _services(prediction: Prediction) -> list[dict[str, Any]]:
    """Return per Service its name, description, columns, and a row of buttons (or None) per vantage."""
    places = Places.of(prediction.topology.declared)
    number = {one.cell.id: index for index, one in enumerate(prediction.cells)}
    services = []
    for name, own in by_service(prediction.cells).items():
        columns = places.columns(own)
        at = {(one.cell.vantage, places.column(one.cell)): _button(number[one.cell.id], one) for one in own}
        rows = {vantage: [at.get((vantage, column)) for column in columns] for vantage, _ in at}
        heads = [column.partition(".")[::2] for column in columns]
        services.append({"name": name, "about": places.abouts.get(name, ""), "heads": heads, "rows": rows})
    return services


def _button(number: int, one: Predicted) -> dict[str, Any]:
    """Return what a cell's button shows: the outcome (or the share to be answered), and below it the source."""
    words = describe_prediction(one).split(" ")
    first = {ALWAYS: 1, SOMETIMES: 2, OPEN: 1, NEVER: len(words)}[classify_reachability(one.expected)]
    outcome, source = " ".join(words[:first]), " ".join(words[first:])
    return {
        "number": number,
        "id": one.cell.id,
        "mark": _MARKS[classify_reachability(one.expected)],
        "outcome": outcome,
        "source": source,
    }


def _data(prediction: Prediction) -> dict[str, Any]:
    used = {rule for one in prediction.cells for rule in one.rules}
    rules = {rule.id: [rule.sentence, versions(rule), rule.citation] for rule in CATALOGUE if rule.id in used}
    return {"cells": [_cell(one) for one in prediction.cells], "rules": rules}


def _cell(one: Predicted) -> dict[str, Any]:
    return {
        "id": one.cell.id,
        "asks": one.target or one.trouble,
        "expected": one.expected.summary,
        "because": one.because,
        "ways": _ways(one),
    }


def _ways(one: Predicted) -> list[list[Any]]:
    """Return [share, outcome, source, backends, rules] of each path, joined if rules and source are the same."""
    shares: dict[tuple[str, str, tuple[str, ...]], float] = {}
    backends: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for way in one.expected.paths:
        key = way.outcome.value, formatting.list_addresses(way.sources), way.rules
        shares[key] = shares.get(key, 0) + way.share
        backends.setdefault(key, []).extend([way.backend] if way.backend else [])
    return [
        [formatting.format_percent(share), *key[:2], " or ".join(backends[key]), key[2]]
        for key, share in shares.items()
    ]
