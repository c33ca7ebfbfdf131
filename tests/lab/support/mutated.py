"""Break one thing in a lab and probe every cell: what `explained.py`, `mutated_ipvs.py` and `troubles.py` share.

`main` runs inside a lab. It prints JSON: `seen`, the cells that failed; `foreseen`, those that must fail, from an
oracle in which the same thing is broken at the same place; `unclear`, the inconclusive ones; `kept`, whether the damage
was still there at the end. Both are judged by the true oracle.
"""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from probes import session
from probes.judging.run_judge import Judge
from probes.judging.verdict import Result
from probes.oracle.connection import Disposition
from probes.oracle.predict import POOLS, expect
from probes.oracle.rule import decide, replace_decisions
from probes.oracle.stages.source_nat import UNTOUCHED_BY_PROXY
from probes.plan.plan import plan
from topologies.cluster import client as clusters
from topologies.cluster.proxy_barrier import Settled
from topologies.common import waiting
from topologies.common.subprocesses import run
from topologies.frontends import FrontendKind
from topologies.lab import lab
from topologies.lab.sandbox import Sandbox
from topologies.lab.state import read
from topologies.loading.load import load
from topologies.schema.enums import TrafficPolicy
from topologies.schema.topology import Ssh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from probes.oracle.connection import Connection
    from probes.session import Answers
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Topology

SETTLE = 20.0  # seconds; in vain for the node whose kube-proxy is stopped
MARKS = 5  # the marks from there on are this program's own
PATIENT = 4.0  # seconds for an answer: a busy machine is no broken rule


class Mutation(Protocol):
    """One thing that is broken: in the lab, and in the oracle's world."""

    def inside(self, there: There) -> AbstractContextManager[object]:
        """Around the whole run."""

    def break_it(self, there: There, known: Answers) -> None:
        """Once the run has settled."""

    def world(self, snapshot: Snapshot) -> Snapshot:
        """What the API will return then."""

    def topology(self, topology: Topology) -> Topology:
        """What would have to be declared then."""

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        """What the rules predict then."""

    def kept(self, there: There) -> bool:
        """Whether it is still broken."""


@dataclass(frozen=True)
class There:
    """The lab and the namespace of the run in it."""

    topology: Topology
    run: str

    @property
    def cluster(self) -> clusters.Cluster:
        return clusters.Cluster(clusters.connect(None), self.topology, f"hairpin-{self.run}", self.run)

    def on(self, node: str, *argv: str) -> str:
        return run(Sandbox.find(self.topology.name).enter_command(node, argv))

    def rules(self, node: str, chain: str, *words: str) -> list[str]:
        """The rules of a nat chain that hold all these words, as `-A …` lines."""
        lines = self.on(node, "iptables", "-t", "nat", "-S", chain).splitlines()
        return [line for line in lines if line.startswith("-A") and all(word in line for word in words)]


class Whole:
    """Nothing broken: what the others are made of."""

    def inside(self, there: There) -> AbstractContextManager[object]:
        return nullcontext()

    def break_it(self, there: There, known: Answers) -> None: ...

    def world(self, snapshot: Snapshot) -> Snapshot:
        return snapshot

    def topology(self, topology: Topology) -> Topology:
        return topology

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        return answer

    def kept(self, there: There) -> bool:
        return True


@dataclass(frozen=True)
class DeletedJump(Whole):
    """A Service's rule in one chain of one node: nobody translates its packets there any more."""

    service: str
    kind: FrontendKind
    node: str
    chain: str
    jump: str

    def found(self, there: There) -> list[str]:
        return there.rules(self.node, self.chain, f"{there.cluster.namespace}/{self.service}:http", f"-j {self.jump}")

    def break_it(self, there: There, known: Answers) -> None:
        for line in self.found(there):
            there.on(self.node, "iptables", "-t", "nat", *shlex.split(line.replace("-A", "-D", 1)))

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        here = (conn.state.name, conn.kind, conn.packet.node) == (self.service, self.kind, self.node)
        return untranslated(conn) if name in POOLS and here else answer

    def kept(self, there: There) -> bool:
        return not self.found(there)


@dataclass(frozen=True)
class NoMasquerade(Whole):
    """KUBE-POSTROUTING of one node no longer masquerades; the CNI's own rules do what they always did."""

    node: str

    def found(self, there: There) -> list[str]:
        return there.rules(self.node, "KUBE-POSTROUTING", "-j MASQUERADE")

    def break_it(self, there: There, known: Answers) -> None:
        for line in self.found(there):
            there.on(self.node, "iptables", "-t", "nat", *shlex.split(line.replace("-A", "-D", 1)))

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        here = name in {"R10.1", "R10.3"} and conn.packet.node == self.node
        return decide(UNTOUCHED_BY_PROXY, conn).value if here else answer

    def kept(self, there: There) -> bool:
        return not self.found(there)


@dataclass(frozen=True)
class FlippedPolicy(Whole):
    """Somebody sets a Service's externalTrafficPolicy from Local to Cluster behind our back."""

    service: str

    def break_it(self, there: There, known: Answers) -> None:
        change = {"spec": {"externalTrafficPolicy": "Cluster"}}
        there.cluster.core.patch_namespaced_service(self.service, there.cluster.namespace, change)
        again = Settled(there.cluster, first=MARKS)
        waiting.until(again, waiting.Deadline(SETTLE), "kube-proxy")

    def world(self, snapshot: Snapshot) -> Snapshot:
        state = replace(snapshot.services[self.service], external_traffic_policy=TrafficPolicy.CLUSTER)
        return replace(snapshot, services={**snapshot.services, self.service: state})

    def kept(self, there: There) -> bool:
        return there.cluster.snapshot().services[self.service].external_traffic_policy is TrafficPolicy.CLUSTER


@dataclass(frozen=True)
class StoppedProxy(Whole):
    """A node's kube-proxy was stopped before the Services came to be: it has no rules for any of them."""

    node: str

    @contextmanager
    def inside(self, there: There) -> Iterator[None]:
        end = waiting.Deadline(SETTLE)
        waiting.until(lambda: self.stale(there), end, "the end of earlier runs' rules", successes=2)
        self.signal(there, "STOP")
        try:
            yield
        finally:
            self.signal(there, "CONT")

    def stale(self, there: There) -> str:
        """The rules of earlier runs: stopped, the proxy would keep them, and balancers give their addresses anew.

        Of every table: of a Service that has lost its endpoints the filter table still holds the REJECT.
        """
        return "; ".join(line for line in there.on(self.node, "iptables-save").splitlines() if "hairpin-" in line)

    def signal(self, there: There, name: str) -> None:
        there.on(self.node, "kill", f"-{name}", self.pid(there))

    def pid(self, there: There) -> str:
        """As the node numbers it."""
        return str(read(Sandbox.find(there.topology.name).state.node(self.node) / "daemons.json")["kube-proxy"])

    def bend(self, name: str, answer: Any, conn: Connection) -> Any:
        return untranslated(conn) if name in POOLS and conn.packet.node == self.node else answer

    def kept(self, there: There) -> bool:
        return "T" in there.on(self.node, "ps", "-o", "stat=", "-p", self.pid(there))


def untranslated(conn: Connection) -> Disposition:
    """What becomes of a packet of which a node's kube-proxy knows nothing."""
    if conn.kind is FrontendKind.NODE_PORT or conn.returned:
        return Disposition.CLOSED
    return Disposition.ASTRAY if conn.kind is FrontendKind.CLUSTER_IP else Disposition.LEAVES


MUTATIONS: dict[str, Mutation] = {
    "none": Whole(),
    "cluster-ip-jump": DeletedJump("web", FrontendKind.CLUSTER_IP, "n2", "KUBE-SERVICES", "KUBE-SVC-"),
    "local-jump": DeletedJump("web-np-local", FrontendKind.NODE_PORT, "n1", "KUBE-NODEPORTS", "KUBE-XLB-"),
    "masquerade": NoMasquerade("n1"),
    "policy": FlippedPolicy("web-np-local"),
    "proxy": StoppedProxy("n2"),
}


def conduct(there: There, mutation: Mutation) -> tuple[Answers, bool]:
    """The answers of a whole run, and whether the damage was there to its end."""
    topology, cells = there.topology, list(plan(there.topology).cells)
    found = lab.find(topology.name)
    assert found, "the lab is up: we are inside"
    ssh = Ssh(key=str(found.ssh_key), known_hosts=str(found.known_hosts))
    patience = topology.patience
    options = session.Options(
        kubeconfig=str(found.kubeconfig),
        ssh=ssh,
        settle_timeout=max(SETTLE, patience.settle / 3),
        connect_timeout=max(PATIENT, patience.connect),
        together=patience.together,
    )
    kept = []

    def broken(known: Answers) -> None:
        mutation.break_it(there, known)

    def still(_: object) -> None:
        kept.append(mutation.kept(there))

    with mutation.inside(there):
        answers = session.conduct(
            topology, cells, there.run, options, progress=tell, before_asking=broken, observed=still
        )
    return answers, all(kept)


def compare(there: There, mutation: Mutation, answers: Answers) -> dict[str, Any]:
    """Judge these answers by the true oracle and by one in which the same thing is broken."""
    topology, cells = there.topology, list(plan(there.topology).cells)
    with replace_decisions(mutation.bend):
        declared, world = mutation.topology(topology), mutation.world(answers.snapshot)
        foreseen = session.simulate(topology, cells, lambda cell, _: expect(declared, world, cell), answers.snapshot)
    live, bowed = Judge.over(topology, answers, cells), Judge.over(topology, foreseen, cells)
    seen, other = ({cell: judge(cell) for cell in cells} for judge in (live, bowed))
    return {
        "seen": {cell.id: str(verdict) for cell, verdict in seen.items() if verdict.result is Result.FAIL},
        "foreseen": {cell.id: str(verdict) for cell, verdict in other.items() if verdict.result is Result.FAIL},
        "unclear": {cell.id: str(verdict) for cell, verdict in seen.items() if verdict.result is Result.INCONCLUSIVE},
        "notes": answers.notes,
        "cells": len(cells),
    }


def asked(there: There, mutation: Mutation) -> dict[str, Any]:
    """Conduct a whole run and compare it. `kept`: whether the damage was still there at the end."""
    answers, kept = conduct(there, mutation)
    return {"kept": kept, **compare(there, mutation, answers)}


def tell(line: str) -> None:
    """Progress, past what is read."""
    sys.stderr.write(f"{line}\n")


def main(known: Mapping[str, Mutation], where: str, what: str) -> None:
    """Break that thing of that lab, and print what came of it."""
    json.dump(asked(There(load(where), secrets.token_hex(8)), known[what]), sys.stdout)
