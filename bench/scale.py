"""Write a lab topology of any size: `python -m bench.scale [TOPOLOGY] [SERVICES] > big.yaml`.

The standard workload's Services are repeated, each copy under a name of its own, until there are as many as asked for.
Nodes, backends and vantages stay as they are, so that the matrix grows and the lab does not. 100 Services on
`lab-flannel` are about 4,100 cells and 28,000 connections.
"""

from __future__ import annotations

import sys
from itertools import count, cycle, islice
from typing import TYPE_CHECKING, Any

import yaml

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from topologies.schema.topology import Topology

Raw = dict[str, Any]
NAME_MAX = 31  # characters of a lab's name that are kept


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
    """A Service under a new name; externalIPs are not shared, for only one Service can have an address and port."""
    if copy == 0:
        return dict(service)
    new = {**service, "name": f"{service['name']}-{copy}"}
    return {**new, "external_ips": [next(fresh) for _ in service["external_ips"]]} if "external_ips" in new else new


def _external_addresses(topology: Topology) -> Iterator[str]:
    """Addresses in the /24 of the topology's own externalIPs, after the last of them."""
    taken = [address for service in topology.workload.services for address in service.external_ips]
    last = max(taken, default=IPAddress("198.18.101.1"))
    network = IPNetwork(f"{last}/24", strict=False)
    return (str(address) for address in (last + more for more in count(1)) if address in network)


if __name__ == "__main__":
    named = load(sys.argv[1] if len(sys.argv) > 1 else "lab-flannel")
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 100  # noqa: PLR2004 - the second argument
    yaml.safe_dump(enlarged(named, wanted), sys.stdout, sort_keys=False)
