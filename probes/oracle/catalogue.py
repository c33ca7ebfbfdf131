"""The catalogue: every rule the oracle can name, in the order a packet meets them.

`python -m probes.oracle.catalogue` prints docs/rules.md.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.oracle.modes import iptables, ipvs, nftables
from probes.oracle.modes.chains import NEWEST, OLDEST
from probes.oracle.rule import EVERY_MODE
from probes.oracle.stages import (
    arrival,
    detect_local,
    endpoints,
    host_ports,
    load_balancer,
    masquerade_mark,
    node_owned_addresses,
    return_path,
    source_nat,
    source_ranges,
)
from probes.oracle.upstream import format_release

if TYPE_CHECKING:
    from probes.oracle.rule import Rule
    from probes.oracle.upstream import Release

MINOR = 2  # parts of a release without its patch
OLDEST_MINOR = min(OLDEST.values())[1]

STEPS: tuple[tuple[str, tuple[Rule[Any], ...]], ...] = (
    ("The processing node, and the source as it arrives there", arrival.TRAVEL),
    ("Which endpoints count", endpoints.READINESS),
    ("Whether a packet is known to be a pod's", detect_local.IDENTITY),
    ("loadBalancerSourceRanges, a part of each mode's pool", source_ranges.FENCES),
    ("The pool, or how it ends without one: iptables", iptables.POOL),
    ("The pool: nftables", nftables.POOL),
    ("The pool: ipvs", ipvs.POOL),
    ("The mark for masquerade", masquerade_mark.MARK),
    ("The source the endpoint sees", source_nat.SOURCE),
    ("The return path", return_path.REPLY),
    ("Past the rules, at an LB address or externalIP that is a host's own", node_owned_addresses.HOLDING),
    ("Past the rules, towards the load balancer", arrival.LEAVING),
    ("The load balancer", load_balancer.RECEIVING),
    ("The source after the load balancer", load_balancer.REWRITING),
    ("From the load balancer to the node it picked", load_balancer.SENDING),
    ("The node's own ports", host_ports.LISTENING),
    ("The baseline: an echo pod's own address", arrival.BASELINE),
)
CONFIRMED = Path(__file__).with_name("confirmed.json")  # written by tests/confirmed.py
REPORTED = "datapath-rules"  # facts/datapath-rules.md: runs of real kube-proxies and kernels that we hold no file of
CATALOGUE: tuple[Rule[Any], ...] = tuple(dict.fromkeys(rule for _, chain in STEPS for rule in chain))


SENTENCES = {rule.id: rule.sentence for rule in CATALOGUE}


def sentence(name: str) -> str:
    """The rule's sentence; KeyError if there is no such rule."""
    return SENTENCES[name]


def versions(rule: Rule[Any]) -> str:
    """Return `all`, `<= 1.20`, `>= 1.25`, or where a backport ends it: `1.22.0-1.22.9, 1.23.0-1.23.6`."""
    spans = [_format_span(first, last) for first, last in _spans(rule)]
    return ", ".join(spans) if spans != ["-"] else "all"


Span = tuple["Release", "Release"]  # first and last version; a minor release alone means all its patches


def _spans(rule: Rule[Any]) -> list[Span]:
    """Return the rule's versions, minor by minor, with neighbours joined."""
    spans: list[Span] = []
    for minor in range(OLDEST_MINOR, NEWEST[1] + 1):
        if (found := _span_in((NEWEST[0], minor), rule)) is None:
            continue
        first, last = found
        joins = spans and len(first) == MINOR and spans[-1][1] == (NEWEST[0], minor - 1)
        if joins:
            first = spans.pop()[0]
        spans.append((first, last))
    return spans


def _span_in(minor: Release, rule: Rule[Any]) -> Span | None:
    """Return the rule's versions within one minor release, or None if it has none there."""
    begin = rule.since.first_patch(minor) if rule.since else 0
    end = rule.until.first_patch(minor) if rule.until else None
    if begin is None or end == 0:
        return None
    return (*minor, begin) if begin else minor, minor if end is None else (*minor, end - 1)


def _format_span(first: Release, last: Release) -> str:
    oldest, newest = first == (NEWEST[0], OLDEST_MINOR), last == NEWEST
    if oldest or newest:
        return "-" if oldest and newest else f"<= {format_release(last)}" if oldest else f">= {format_release(first)}"
    if first == last:
        return format_release(first)
    if len(first) > len(last):
        return f"{format_release(first)}+"
    first = (*first, 0) if first == last[:MINOR] else first
    return f"{format_release(first)}-{format_release(last)}"


@cache
def _told() -> dict[str, dict[str, list[str]]]:
    found: dict[str, Any] = json.loads(CONFIRMED.read_text())
    return {key: found[key] for key in ("recordings", "runs", "spoken")}


def confirmed(rule: Rule[Any]) -> tuple[str, ...]:
    """Return where a real kube-proxy contradicted the rule's alternative: `ipvs 1.20.2 flannel`, `… lab-routed (live)`.

    Empty if none did.
    """
    live = (f"{place} (live)" for place in _told()["runs"].get(rule.id, ()))
    return (*_told()["recordings"].get(rule.id, ()), *live)


def spoken(rule: Rule[Any]) -> tuple[str, ...]:
    """Return the recordings in which it had a part in the right answers, but its alternative would look the same."""
    return tuple(_told()["spoken"].get(rule.id, ()))


def markdown() -> str:
    """The catalogue as a page, one table per step."""
    unseen = [rule for rule in CATALOGUE if not confirmed(rule) and not spoken(rule)]
    alone = sum(REPORTED not in rule.citation for rule in unseen)
    lines = [
        "# The oracle's rules",
        "",
        "Printed by `python -m probes.oracle.catalogue`. Do not edit. In each step the first rule that applies",
        "decides.",
        "",
        "`versions`: a rule begins and ends with a change of kube-proxy. `backports` says for each such change which",
        "patch releases of older branches have it too, or what the search for cherry-picks found",
        "(`probes/oracle/upstream.py`).",
        "",
        "`seen`: where a real kube-proxy contradicted the rule's natural alternative, in a recording",
        "(`tests/unit/probes/oracle/observed/`) or in a live run of a lab. The natural alternative is what would",
        "happen if the rule did not hold: the other pool, not masqueraded, unready endpoints, the result of the",
        "next rule (`probes/oracle/mutation/alternatives.py`, `python -m tests.confirmed`). *Not told apart*: the",
        "rule had a part in recorded answers, but its alternative would have looked the same. *Reported*: it was",
        f"seen, as the source column states, but we hold no recording. {alone} of {len(CATALOGUE)} rules rest on",
        "the source alone.",
    ]
    shown: set[str] = set()
    for title, chain in STEPS:
        fresh = [rule for rule in chain if rule.id not in shown]
        shown |= {rule.id for rule in chain}
        lines += ["", f"## {title}", ""]
        if len(fresh) < len(chain):
            lines += [f"In this order, those told above among them: {' '.join(rule.id for rule in chain)}", ""]
        lines += ["| rule | what | modes | versions | source | backports | seen |", "|---|---|---|---|---|---|---|"]
        lines += map(_row, fresh)
    return "\n".join(lines) + "\n"


def _row(rule: Rule[Any]) -> str:
    modes = "all" if rule.modes == EVERY_MODE else ", ".join(rule.modes)
    untold = f"not told apart: {_grouped(spoken(rule))}" if spoken(rule) else ""
    seen = _grouped(confirmed(rule)) or untold or ("reported" if REPORTED in rule.citation else "source alone")
    backports = "; ".join(rule.backports)
    cells = (rule.id, rule.sentence, modes, versions(rule), rule.citation, backports, seen)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _grouped(places: tuple[str, ...]) -> str:
    """`ipvs 1.20.2 flannel, routed; ipvs 1.24.3 flannel`: each mode and version once."""
    groups: dict[str, list[str]] = {}
    for place in places:
        mode, version, network = place.split(" ", 2)
        groups.setdefault(f"{mode} {version}", []).append(network)
    return "; ".join(f"{proxy} {', '.join(networks)}" for proxy, networks in sorted(groups.items()))


if __name__ == "__main__":
    sys.stdout.write(markdown())
