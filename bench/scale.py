"""Make topologies of any size, and time the plan of them.

`python -m bench.scale` prints the processor time of the plan at 10, 100, 1,000 and 5,000 nodes, and the time a node
compared with that at 100 nodes. A ratio that grows with the nodes means that a step of the plan is not linear. A
topology file is limited to 1,000 nodes, so these topologies are made as objects.

`python -m bench.scale TOPOLOGY [SERVICES] > big.yaml` writes a lab topology. The standard workload's Services are
repeated, each copy under a name of its own. Nodes, backends and vantages stay as they are, so that the matrix grows and
the lab does not. 100 Services on `lab-flannel` are about 4,100 cells and 28,000 connections.
"""

from __future__ import annotations

import sys
import time
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any

import yaml

from probes.plan.plan import plan
from topologies.common.addresses import IPAddress, IPNetwork
from topologies.loading.load import load
from topologies.schema.topology import Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from topologies.schema.topology import Topology

Raw = dict[str, Any]
NAME_MAX = 31  # characters of a lab's name that are kept
SIZES = (10, 100, 1_000, 5_000)  # nodes
REFERENCE_SIZE = 100  # nodes; with fewer, the cells that are planned cost more than those that are left out
FIRST_NODE, FIRST_RANGE = IPAddress("172.16.0.10"), IPNetwork("10.0.0.0/24")


def with_nodes(topology: Topology, count: int) -> Topology:
    """Return the topology with this many nodes n1, n2 …, each with a pod range of its own; the workload stays."""
    return topology.model_copy(update={"nodes": tuple(map(_node, range(count)))})


def _node(number: int) -> Node:
    first = int(FIRST_RANGE.network_address) + number * FIRST_RANGE.num_addresses
    return Node(name=f"n{number + 1}", address=FIRST_NODE + number, pod_cidr=IPNetwork((first, FIRST_RANGE.prefixlen)))


def time_plan(topology: Topology) -> tuple[float, int]:
    """Return the processor time of one plan in seconds, and how many cells it has or leaves out."""
    began = time.process_time()
    planned = plan(topology)
    return time.process_time() - began, len(planned.cells) + len(planned.omissions)


def print_plan_times(topology: Topology) -> None:
    """Print one line for each size."""
    found = {count: time_plan(with_nodes(topology, count)) for count in SIZES}
    reference = found[REFERENCE_SIZE][0] / REFERENCE_SIZE
    sys.stdout.write("nodes    cells  seconds  us/node  ratio\n")
    for nodes, (seconds, cells) in found.items():
        each = seconds / nodes
        sys.stdout.write(f"{nodes:>5} {cells:>8} {seconds:>8.3f} {each * 1e6:>8.0f} {each / reference:>6.2f}\n")


def enlarged(topology: Topology, services: int) -> Raw:
    """Return the raw topology with so many Services (at least one)."""
    raw: Raw = topology.model_dump(mode="json", exclude_defaults=True)
    workload = topology.workload.model_dump(mode="json", exclude_defaults=True)
    fresh = _external_addresses(topology)
    copies = enumerate(islice(cycle(workload["services"]), services))
    size = len(workload["services"])
    workload["services"] = [_copy(service, number // size, fresh) for number, service in copies]
    return {**raw, "name": f"{topology.name[:NAME_MAX]}-{services}", "workload": workload}


def _copy(service: Mapping[str, Any], copy: int, fresh: Iterator[str]) -> Raw:
    """Return a Service under a new name, with externalIPs of its own: two Services cannot have one address and port."""
    if copy == 0:
        return dict(service)
    new = {**service, "name": f"{service['name']}-{copy}"}
    return {**new, "external_ips": [next(fresh) for _ in service["external_ips"]]} if "external_ips" in new else new


def _external_addresses(topology: Topology) -> Iterator[str]:
    """Yield addresses in the /24 of the topology's own externalIPs, after the last of them."""
    taken = [address for service in topology.workload.services for address in service.external_ips]
    last = max(taken, default=IPAddress("198.18.101.1"))
    network = IPNetwork(f"{last}/24", strict=False)
    return (str(address) for address in (last + more for more in count(1)) if address in network)


if __name__ == "__main__":
    if given := sys.argv[1:]:
        services = int(given[1]) if given[1:] else 100
        yaml.safe_dump(enlarged(load(given[0]), services), sys.stdout, sort_keys=False)
    else:
        print_plan_times(load("lab-flannel"))
