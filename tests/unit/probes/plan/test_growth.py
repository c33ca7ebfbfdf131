"""The plan of a large cluster costs as much as its nodes and Services, and no more. Counted, not timed."""

import pytest

from bench.scale import with_nodes
from probes.plan.plan import plan
from probes.plan.selection import READERS, select
from tests.unit.support.operations import count_operations
from topologies.loading.load import load
from topologies.schema.topology import Backend, Topology

pytestmark = pytest.mark.slow

LINEAR = 1.3  # times the growth of the input
SELECTORS = {key: tuple(values) for key, (_, values) in READERS.items()}  # every cell matches, so every reader runs


def with_workload(services: int) -> Topology:
    """Every Service has a backend of its own."""
    topology = load("lab-flannel")
    work = topology.workload
    copies = [one for one in work.services if one.app == "web"][:4] * services
    apps = {f"a{number}" for number in range(len(copies))}
    declared = [
        one.model_copy(update={"name": f"{one.name}-{app}", "app": app})
        for one, app in zip(copies, sorted(apps), strict=True)
    ]
    backends = tuple(Backend(name=f"b-{app}", app=app, node="n1") for app in sorted(apps))
    changed = work.model_copy(update={"services": tuple(declared), "backends": backends})
    return topology.model_copy(update={"workload": changed})


def test_a_plan_costs_as_much_as_its_nodes() -> None:
    few, many = (with_nodes(load("lab-flannel"), count) for count in (50, 200))

    assert count_operations(lambda: plan(many)) < 4 * LINEAR * count_operations(lambda: plan(few))


def test_a_node_left_out_costs_few_operations() -> None:
    topology = with_nodes(load("lab-flannel"), 100)

    assert count_operations(lambda: plan(topology)) < 160 * len(plan(topology).omissions)


def test_a_plan_costs_as_much_as_its_services_and_backends() -> None:
    few, many = with_workload(3), with_workload(12)
    plan(few)

    assert count_operations(lambda: plan(many)) < 4 * LINEAR * count_operations(lambda: plan(few))


def test_selection_costs_as_much_as_its_cells() -> None:
    def choose(topology: Topology) -> float:
        cells = plan(topology).cells
        return count_operations(lambda: select(cells, topology, SELECTORS)) / len(cells)

    few, many = with_workload(3), with_workload(12)

    assert choose(many) < LINEAR * choose(few)
