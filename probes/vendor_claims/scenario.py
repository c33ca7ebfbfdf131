"""Build the topology and cells of a claim's scenario, and check whether another topology meets its conditions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from probes.oracle.predict import model_cluster
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.load import TopologyError, raw, validated
from topologies.loading.overrides import apply
from topologies.schema import facts
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.oracle.connection import ClusterModel
    from probes.plan.cell import Cell
    from probes.vendor_claims.model import Case, Page, Scenario
    from topologies.cluster_state.snapshot import Snapshot
    from topologies.schema.topology import Version

PLAIN = "-v4-tcp"


@dataclass(frozen=True, eq=False)
class Realm:
    """A world at one version, with the input for predictions of its cells. Compared by identity."""

    topology: Topology
    snapshot: Snapshot
    cells: dict[str, Cell]

    @cached_property
    def model(self) -> ClusterModel:
        """The input that the predictions of all its cells share."""
        return model_cluster(self.topology, self.snapshot)

    def cell(self, asked: str) -> Cell:
        """Return the plan's cell with this id, in which family and protocol are optional.

        Raises:
            LookupError: The plan has no such cell. The message lists similar ids.

        """
        found = self.cells.get(asked) or self.cells.get(asked + PLAIN)
        if found is None:
            vantage = asked.partition("-to-")[0]
            near = ", ".join(name for name in self.cells if name.startswith(f"{vantage}-to-")) or "no such vantage"
            message = f"{self.topology.name} has no cell {asked!r}: {near}"
            raise LookupError(message)
        return found


def realms(page: Page, case: Case) -> Iterator[tuple[Version, Realm]]:
    """Yield the case's world at every minor version that it covers, oldest first.

    Raises:
        LookupError: The versions of the case and its world do not overlap.

    """
    world = page.worlds[case.world]
    minors = [minor for minor in world.versions.minors if minor in case.versions]
    if not minors:
        message = (
            f"{page.name}: the world {case.world} is {world.versions}, its case {case.versions}: no version is both"
        )
        raise LookupError(message)
    for minor in minors:
        yield minor, _realm(world.base, json.dumps(world.conditions, sort_keys=True), minor)


def lacks(world: Scenario, topology: Topology) -> tuple[str, ...]:
    """Return the conditions of the world that a topology does not meet."""
    lacking = _lacking(topology, json.dumps(world.conditions))
    if topology.proxy_version in world.versions:
        return lacking
    return (f"kube-proxy {world.versions}, not {topology.proxy_version}", *lacking)


@cache
def _lacking(topology: Topology, conditions: str) -> tuple[str, ...]:
    return tuple(
        said(path, value)
        for path, value in json.loads(conditions).items()
        if _is_open(topology, path) or not _has(topology, path, json.dumps(value))
    )


def _is_open(topology: Topology, path: str) -> bool:
    """Return whether the value at a path is unknown, for the cluster or for one node."""
    return any(facts.split(unknown)[1] == path for unknown in topology.unknown)


def said(path: str, value: object) -> str:
    """Return a condition as text: `proxy.mode ipvs`, `load_balancer.masquerade_inside false`."""
    return f"{path} {str(value).lower() if isinstance(value, bool) else value}"


@cache  # the claims share few conditions
def _has(topology: Topology, path: str, value: str) -> bool:
    """Return whether the topology meets the condition: setting the value, which is JSON, changes nothing."""
    try:
        return Topology.model_validate(apply(_contents(topology), {path: json.loads(value)})) == topology
    except (TopologyError, ValidationError):
        return False


@cache
def _contents(topology: Topology) -> dict[str, Any]:
    """Return what a topology declares. Facts that `load_balancer.kind` gives are not in it."""
    return topology.model_dump(mode="json")


def realm_of(topology: Topology, snapshot: Snapshot | None = None) -> Realm:
    """Return a topology with its plan's cells by id. The default snapshot is that of a new cluster."""
    cells = {cell.id: cell for cell in plan(topology).cells}
    return Realm(topology, snapshot or snapshot_of(topology), cells)


@cache
def _realm(base: str, conditions: str, minor: Version) -> Realm:
    made = _made(base, conditions)
    return Realm(made.topology.model_copy(update={"kubernetes": minor}), made.snapshot, made.cells)


@cache
def _made(base: str, conditions: str) -> Realm:
    given, source = _raw(base)
    return realm_of(validated(apply(given, json.loads(conditions)), source))


_raw = cache(raw)
