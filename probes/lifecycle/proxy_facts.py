"""Ask the kube-proxy of each node: curl at a vantage on that node, 127.0.0.1:10249.

`topologies/cluster_state/proxy_facts.py` has the script and reads what it prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.asking.vantages.base import TransportError
from topologies.cluster_state.proxy_facts import SCRIPT, ProxyFacts, parse
from topologies.common.threads import run_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probes.asking.vantages.base import Prober

TIMEOUT_S = 10.0  # for the three requests and the way there
ABREAST = 8  # nodes that are asked at a time


def read_proxies(vantages: Mapping[str, Prober]) -> tuple[tuple[ProxyFacts, ...], tuple[str, ...]]:
    """Ask the kube-proxy of each node, by node name; return the facts, and the nodes of which nothing could be read."""
    found: dict[str, ProxyFacts] = {}

    def read(node: str) -> None:
        found[node] = _ask(node, vantages[node])

    run_all(read, vantages, ABREAST, TIMEOUT_S * (1 + len(vantages) // ABREAST))
    known = tuple(found[node] for node in vantages if found.get(node, ProxyFacts(node)) != ProxyFacts(node))
    return known, tuple(sorted(set(vantages) - {facts.node for facts in known}))


def _ask(node: str, vantage: Prober) -> ProxyFacts:
    try:
        done = vantage.run(["sh", "-c", SCRIPT], "", TIMEOUT_S)
    except TransportError:  # its cells report this too, with the reason
        return ProxyFacts(node)
    return parse(node, done.stdout)
