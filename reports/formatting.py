"""Short texts that the terminal, HTML and records share: counts, sources, outcomes, addresses. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from probes.judging.verdict import Result
from probes.observation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.records.schema import Address

MARKS = {Result.PASS: "✓", Result.FAIL: "✗", Result.INCONCLUSIVE: "?"}
_WORDS = {
    Outcome.REFUSED: "refused",
    Outcome.TIMEOUT: "timed out",
    Outcome.RESET: "reset",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.HANG: "hung",
    Outcome.WRONG_BACKEND: "from a wrong backend",
    Outcome.NO_NAME: "without such a name",
}
_PLACED = re.compile(r"^(?P<kind>[^()]+?)\s?\((?P<place>[^()]*)\)$")


def summarize_observed(outcomes: Mapping[Outcome, int], backends: Mapping[str, int], trouble: str = "") -> str:
    """Return the split of a sample: `17 of 20 ok (web-a 9, web-b 8); 3 timed out`. Trouble comes first."""
    total = sum(outcomes.values())
    if not total:
        return f"not asked: {trouble}" if trouble else "not asked"
    parts = []
    if outcomes.get(Outcome.OK):
        who = ", ".join(f"{backend} {count}" for backend, count in sorted(backends.items()))
        parts.append(f"{outcomes[Outcome.OK]} of {total} ok" + (f" ({who})" if who else ""))
    for outcome, words in _WORDS.items():
        if outcomes.get(outcome):
            count = f"{outcomes[outcome]}" if parts else f"{outcomes[outcome]} of {total}"
            parts.append(f"{count} {words}")
    text = "; ".join(parts)
    return f"{trouble}; before that: {text}" if trouble else text


def summarize_expected(ways: Iterable[tuple[Outcome, Sequence[str], str | None]], *, sticky: bool) -> str:
    """Return allowed answers, each (outcome, sources, backend), in one line: `ok from web-a or web-b, source kept`."""
    backends: dict[tuple[Outcome, str], list[str]] = {}
    for outcome, sources, backend in ways:
        backends.setdefault((outcome, " or ".join(sources)), []).extend([backend] if backend else [])
    parts = []
    for (outcome, source), who in backends.items():
        answered = f" from {' or '.join(dict.fromkeys(who))}" if who else ""
        parts.append(f"{outcome.value}{answered}{f', source {source}' if source else ''}")
    return " | ".join(parts) + (" (always the same backend)" if sticky else "") or "nothing allowed"


def list_addresses(addresses: Iterable[Address]) -> str:
    """Return addresses with their names: `10.244.1.0 vtep(n1)`, `10.244.1.11 pod-n1, kept`."""
    parts = []
    for one in addresses:
        names = [name for name in dict.fromkeys((one.name, one.label)) if name != str(one.address)]
        parts.append(f"{one.address} {', '.join(names)}".rstrip())
    return " or ".join(parts)


def join_names(names: Iterable[str]) -> str:
    """Join names; those of one kind or one node share it: `vtep(n1,n2) kept`, `vtep/cni0(n1)`."""
    places: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        match = _PLACED.match(name)
        kind, place = (match["kind"], match["place"]) if match else (name, "")
        places.setdefault(kind, []).append(place)
    kinds: dict[tuple[str, ...], list[str]] = {}
    for kind, found in places.items():
        kinds.setdefault(tuple(found) if any(found) else (kind,), []).append(kind)
    return " ".join(
        same[0] if where == (same[0],) else f"{'/'.join(same)}({','.join(where)})" for where, same in kinds.items()
    )


def format_cell(outcomes: Mapping[Outcome, int], sources: Iterable[str], trouble: str = "") -> str:
    """Return the text of a matrix cell: `ok kept`, `ok vtep(n1)`, `timeout`, `17/20 ok kept, timeout`, `not asked`."""
    total = sum(outcomes.values())
    if trouble or not total:
        return "not asked" if not total else "cut short"
    parts = []
    if good := outcomes.get(Outcome.OK, 0):
        split = "" if good == total else f"{good}/{total} "
        parts.append(f"{split}ok {join_names(sources)}".rstrip())
    parts += [outcome.value for outcome in Outcome if outcome is not Outcome.OK and outcomes.get(outcome)]
    return ", ".join(parts)


def count_cells(count: int) -> str:
    """Return `1 cell`, `65 cells`."""
    return count_things(count, "cell")


def count_things(count: int, name: str) -> str:
    """Return a number with what it counts: `1 more cause`, `2 more causes`."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def format_percent(share: float) -> str:
    """Return a probability in percent: `50 %`, `8.3 %`."""
    return f"{100 * share:.3g} %"
