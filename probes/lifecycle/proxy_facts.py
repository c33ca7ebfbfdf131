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
SILENT = "127.0.0.1:10249 does not answer"
ABREAST = 8  # nodes that are asked at a time


def read_proxies(vantages: Mapping[str, Prober]) -> tuple[tuple[ProxyFacts, ...], dict[str, str]]:
    """Ask the kube-proxy of each node, by node name; return the facts, and why nothing could be read, by node.

    Of nodes where no command ran, the first one's error stands for all: it is often the same, as without an SSH key.
    """
    found: dict[str, ProxyFacts] = {}
    errors: dict[str, str] = {}

    def read(node: str) -> None:
        try:
            done = vantages[node].run(["sh", "-c", SCRIPT], "", TIMEOUT_S)
        except TransportError as error:
            errors[node] = str(error)
        else:
            found[node] = parse(node, done.stdout)

    run_all(read, vantages, ABREAST, TIMEOUT_S * (1 + len(vantages) // ABREAST))
    known = tuple(found[node] for node in vantages if found.get(node, ProxyFacts(node)) != ProxyFacts(node))
    failed = dict(errors)  # a call that has not ended in time may still add one
    unreached = f"no command ran there: {next(iter(failed.values()), '')}"
    unread = sorted(set(vantages) - {facts.node for facts in known})
    return known, {node: unreached if node in failed else SILENT for node in unread}
