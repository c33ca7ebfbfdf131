"""`python -m tests.mutants`: flip every rule of the oracle, one at a time; the suite must notice each.

The world is simulated by the true oracle, the suites' own test functions are called with a judge that uses the flipped
one. Prints each rule with the topology and the first test that failed; exits 1 if a flip went unnoticed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import suites
from probes import session
from probes.judging import Judge
from probes.oracle import mutations
from probes.oracle.oracle import expect
from probes.plan import plan
from probes.selection import select
from topologies.load import load
from topologies.model import Service, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from probes.cell import Cell

Test = tuple[str, "Callable[..., None]", dict[str, Any]]


@dataclass(frozen=True)
class World:
    """A topology, its simulated answers, and every (test, cell) the suites would run on it."""

    name: str
    judge: Judge
    items: tuple[tuple[Test, Cell], ...]

    def first_failure(self) -> str:
        """The first item that fails as `test[cell]`, or an empty string."""
        for (name, function, _), cell in self.items:
            try:
                function(cell, self.judge)
            except AssertionError:
                return f"{name}[{cell.id}]"
        return ""


@cache
def tests() -> tuple[Test, ...]:
    """Every test of the suites with its selectors."""
    found = []
    for module in pkgutil.iter_modules(suites.__path__):
        for name, function in inspect.getmembers(importlib.import_module(f"suites.{module.name}"), inspect.isfunction):
            marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "cells"]
            found.extend((name, function, mark.kwargs) for mark in marks)
    return tuple(found)


@cache
def world(name: str, topology: Topology) -> World:
    """The world of a topology, doing exactly what the true rules say."""
    cells = plan(topology).cells
    answers = session.simulate(topology, cells, lambda cell, snapshot: expect(topology, snapshot, cell))
    items = tuple((test, cell) for test in tests() for cell in select(cells, topology, test[2]))
    return World(name, Judge.over(topology, answers, cells), items)


def variants() -> Iterator[tuple[str, Topology]]:
    """The library's labs, then what else the rules distinguish: versions, flags, kernels, balancers, policies."""
    for name in ("lab-flannel", "lab-routed", "lab-no-cluster-cidr"):
        yield name, load(name)
    for name in ("lab-flannel", "lab-no-cluster-cidr", "lab-routed"):
        for version in ("1.21.0", "1.22.0", "1.24.0", "1.25.0", "1.26.0", "1.30.0"):
            yield f"{name} {version}", changed(load(name), kubernetes=version)
    for name in ("lab-flannel", "lab-routed"):
        for change in CHANGES:
            told = " ".join(f"{key}={value}" for key, value in change.items())
            yield f"{name} {told}", changed(load(name), **change)


CHANGES: tuple[dict[str, Any], ...] = (
    {"kernel": {"rp_filter": 1}},
    {"kernel": {"bridge_nf_call_iptables": False}},
    {"kernel": {"hairpin": False}},
    {"kernel": {"kubelet_rules": False}},
    {"proxy": {"masquerade_all": True}},
    {"proxy": {"localhost_nodeports": False}, "kubernetes": "1.26.0"},
    {"proxy": {"node_port_addresses": ["198.18.1.0/24"]}},
    {"load_balancer": {"listens": False}},
    {"load_balancer": {"empty_pool": "drop"}},
    {"cni": {"masquerade": False}},
    {"external_routes_to_pods": True},
)


def changed(topology: Topology, **changes: Any) -> Topology:
    """The topology with these keys replaced (mappings merged), and Services under internalTrafficPolicy Local."""
    raw = topology.model_dump(mode="json")
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    internal = {"app": "web", "internal_traffic_policy": "Local"}
    for name, kind in (("web-itp", "ClusterIP"), ("web-lb-itp", "LoadBalancer")):
        raw["workload"]["services"].append(Service(name=name, type=kind, **internal).model_dump(mode="json"))
    return Topology.model_validate(raw)


def noticed(mutation: mutations.Mutation) -> str:
    """Where the suite notices the flip: `topology: test[cell]`, or an empty string."""
    for name, topology in variants():
        there = world(name, topology)
        with mutations.applied(mutation):
            if failure := there.first_failure():
                return f"{name}: {failure}"
    return ""


def main() -> int:
    """Print what notices each flip; 1 if anything went unnoticed."""
    missed = []
    for mutation in mutations.all():
        where = noticed(mutation)
        missed += [] if where else [mutation.rule]
        sys.stdout.write(f"{mutation.rule:<8} {where or 'NOT NOTICED'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(mutations.all()) - len(missed)} of {len(mutations.all())} flipped rules noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
