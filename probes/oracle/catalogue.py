"""The catalogue of all rules, in the order in which a packet meets them.

`python -m probes.oracle.catalogue` prints docs/rules.md.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.oracle.modes.chains import MODES, Chain, merge_chains
from probes.oracle.stages import (
    arrival,
    host_ports,
    load_balancer,
    load_balancer_targets,
    node_firewall,
    node_owned_addresses,
    service_names,
)
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.rule import Rule


def _of_modes(name: str) -> Chain:
    """Return the chain of this name of every mode as one chain."""
    return merge_chains(getattr(chains, name) for chains in MODES.values())


POOL_STEPS = {
    ProxyMode.IPTABLES: "Endpoint selection or refusal: iptables mode",
    ProxyMode.NFTABLES: "Endpoint selection or refusal: nftables mode",
    ProxyMode.IPVS: "Endpoint selection or refusal: IPVS mode",
}
STEPS: tuple[tuple[str, Chain], ...] = (
    ("Names of Services", service_names.NAMES),
    ("Processing node and source address on arrival", _of_modes("arrival")),
    ("Usable endpoints", _of_modes("readiness")),
    ("Pod traffic (detect-local)", _of_modes("detect_local")),
    ("loadBalancerSourceRanges (part of each mode's endpoint selection)", _of_modes("source_ranges")),
    *((title, MODES[mode].pool) for mode, title in POOL_STEPS.items()),
    ("Mark for masquerade (KUBE-MARK-MASQ)", _of_modes("mark")),
    ("Source address at the endpoint", _of_modes("source")),
    ("Return path", _of_modes("reply")),
    ("Untranslated packets to a load balancer IP or externalIP that a host owns", node_owned_addresses.OWNED),
    ("Untranslated packets to the load balancer", arrival.LEAVING),
    ("Node selection or refusal by the load balancer", load_balancer.RECEIVING),
    ("Session affinity of the load balancer", load_balancer.AFFINITY),
    ("Source address after the load balancer", load_balancer_targets.REWRITING),
    ("From the load balancer to the selected node", load_balancer_targets.SENDING),
    ("Packets to the node itself", node_firewall.RECEIVED),
    ("Ports of the node itself", host_ports.LISTENING),
    ("Direct connections to an echo pod (baseline)", arrival.BASELINE),
)
CONFIRMED = Path(__file__).with_name("confirmed.json")  # written by tests/confirmed.py
REPORTED = "docs/observations.md"  # a rule that was observed, but whose recording is not in the repository


def _unique(rules: Iterable[Rule[Any]]) -> tuple[Rule[Any], ...]:
    """Return each rule once; ValueError if two rules have the same id."""
    by_id: dict[str, Rule[Any]] = {}
    for rule in rules:
        if by_id.setdefault(rule.id, rule) is not rule:
            both = f"{by_id[rule.id].sentence!r} and {rule.sentence!r}"
            message = f"rule id {rule.id}: got two rules, {both}. Choose an id that no rule has."
            raise ValueError(message)
    return tuple(by_id.values())


CATALOGUE: tuple[Rule[Any], ...] = _unique(rule for _, chain in STEPS for rule in chain)


_RULES_OF = {mode: chains.rules for mode, chains in MODES.items()}


def modes_of(rule: Rule[Any]) -> tuple[ProxyMode, ...]:
    """Return the kube-proxy modes whose chains list the rule.

    A rule that no mode lists is not kube-proxy's, but the network's, the load balancer's or the node's own. It holds in
    every mode.
    """
    return tuple(mode for mode in ProxyMode if rule in _RULES_OF[mode]) or tuple(ProxyMode)


def step_of(rule: Rule[Any], mode: ProxyMode) -> str:
    """Return the title of the step in which the rule decides in this mode."""
    if rule in MODES[mode].pool:
        return POOL_STEPS[mode]
    return next(title for title, chain in STEPS if rule in chain)


SENTENCES = {rule.id: rule.sentence for rule in CATALOGUE}


def sentence(name: str) -> str:
    """Return a rule's sentence.

    Raises:
        KeyError: No rule has this id.

    """
    return SENTENCES[name]


def versions(rule: Rule[Any]) -> str:
    """Return the versions of a rule as text: `all`, `<= 1.20`, `1.22.0-1.22.9`."""
    return str(rule.versions)


@cache
def _read_evidence() -> dict[str, dict[str, list[str]]]:
    found: dict[str, Any] = json.loads(CONFIRMED.read_text())
    return {key: found[key] for key in ("recordings", "runs", "undistinguished")}


def confirmed(rule: Rule[Any]) -> tuple[str, ...]:
    """Return the recordings and live runs that contradict the rule's natural alternative.

    An entry is `ipvs 1.20.2 flannel` or `ipvs 1.20.2 lab-routed (live)`. Returns an empty tuple if there is none.
    """
    live = (f"{place} (live)" for place in _read_evidence()["runs"].get(rule.id, ()))
    return (*_read_evidence()["recordings"].get(rule.id, ()), *live)


def undistinguished(rule: Rule[Any]) -> tuple[str, ...]:
    """Return the recordings in which the rule applied, but which its natural alternative explains equally well."""
    return tuple(_read_evidence()["undistinguished"].get(rule.id, ()))


def markdown() -> str:
    """Return the catalogue as a Markdown page, with one table per step."""
    unseen = [rule for rule in CATALOGUE if not confirmed(rule) and not undistinguished(rule)]
    alone = sum(REPORTED not in rule.citation for rule in unseen)
    lines = [
        "# The oracle's rules",
        "",
        "Generated by `python -m probes.oracle.catalogue`. Do not edit.",
        "",
        "The steps are in the order in which a packet meets them. In each step the rules are tried in the order of",
        "the table, and the first rule that applies decides. A sentence names the proxy mode if only one mode has the",
        "rule.",
        "",
        "| column | content |",
        "|---|---|",
        "| modes, versions | The kube-proxy modes and versions in which the behaviour exists. |",
        "| source | Where the behaviour is defined. `#NNNNN` is an issue or pull request of kubernetes/kubernetes. |",
        "| backports | The backports of the changes that begin or end the behaviour (`probes/oracle/upstream.py`). |",
        "| evidence | The recordings (`tests/unit/probes/oracle/observed/`) and live lab runs that confirm the rule. |",
        "",
        "A recording or run confirms a rule if it contradicts the rule's *natural alternative*. This is the result",
        "without the rule: the other endpoints, no masquerade, endpoints that are not ready, or the result of the next",
        "rule (`probes/oracle/mutation/alternatives.py`, `python -m tests.confirmed`). Three entries mean less:",
        "",
        "- *not distinguished*: the rule applied in recordings, but its natural alternative gives the same result;",
        "- *observed*: an entry of docs/observations.md describes it, but no recording is in the repository;",
        "- *source only*: the rule rests on the source alone.",
        "",
        f"{alone} of {len(CATALOGUE)} rules rest on the source alone.",
    ]
    shown: set[str] = set()
    for title, chain in STEPS:
        fresh = [rule for rule in chain if rule.id not in shown]
        shown |= {rule.id for rule in chain}
        lines += ["", f"## {title}", ""]
        if len(fresh) < len(chain):
            lines += [
                f"Order of all rules: {' '.join(rule.id for rule in chain)}. Rules listed above are not repeated.",
                "",
            ]
        lines += [
            "| rule | behaviour | modes | versions | source | backports | evidence |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += map(_row, fresh)
    return "\n".join(lines) + "\n"


def _row(rule: Rule[Any]) -> str:
    having = modes_of(rule)
    modes = "all" if len(having) == len(MODES) else ", ".join(having)
    unclear = f"not distinguished: {_group_places(undistinguished(rule))}" if undistinguished(rule) else ""
    seen = _group_places(confirmed(rule)) or unclear or ("observed" if REPORTED in rule.citation else "source only")
    backports = "; ".join(rule.backports)
    cells = (rule.id, rule.sentence, modes, versions(rule), rule.citation, backports, seen)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _group_places(places: tuple[str, ...]) -> str:
    """Return `ipvs 1.20.2 flannel, routed; ipvs 1.24.3 flannel`, with each mode and version once."""
    groups: dict[str, list[str]] = {}
    for place in places:
        mode, version, network = place.split(" ", 2)
        groups.setdefault(f"{mode} {version}", []).append(network)
    return "; ".join(f"{proxy} {', '.join(networks)}" for proxy, networks in sorted(groups.items()))


if __name__ == "__main__":
    sys.stdout.write(markdown())
