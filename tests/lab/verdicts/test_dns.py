"""A lab with a real CoreDNS: Services asked by name, and what a cluster's DNS that does not answer leads to.

HAIRPIN_SLOW=1 runs these if the cache has CoreDNS (`hairpin lab get 1.20.2 coredns`): no other test needs its build.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.lab.support.settings import SLOW
from tests.lab.support.small import api
from tests.lab.verdicts.test_networks import NAME, asked, brought_up, library, on
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.build.binaries import cache_dir
from topologies.lab.build.cluster_dns import release_for
from topologies.lab.build.program_files import find_fault
from topologies.lab.control_plane.cluster_dns import DEPLOYMENT, REPLICAS, is_available
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASE = release_for(Version.parse(library("lab-dns")["kubernetes"]))
CELLS, BY_NAME = 91, 20
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root"),
    pytest.mark.skipif(SLOW not in os.environ, reason="HAIRPIN_SLOW=1: needs a CoreDNS in the cache"),
    pytest.mark.skipif(bool(find_fault(RELEASE.place(cache_dir()))), reason=f"{RELEASE} is not in the cache"),
]
QUERIES = ("-d", "10.96.0.10", "-p", "udp", "--dport", "53", "-j", "DROP")


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of a lab with cluster DNS that is up meanwhile."""
    with brought_up(tmp_path_factory.mktemp("dns"), library("lab-dns")) as file:
        yield file


def scale(replicas: int) -> None:
    """Set the number of CoreDNS' pods, and wait until so many are available."""
    patch = {"spec": {"replicas": replicas}}
    api(NAME, "PUT", f"{DEPLOYMENT}/scale", {**api(NAME, "GET", f"{DEPLOYMENT}/scale"), **patch})

    def is_done() -> bool:
        found = api(NAME, "GET", DEPLOYMENT)
        return is_available(found) if replicas else "availableReplicas" not in str(found["status"])

    until(unmet(is_done), Deadline(60.0), f"{replicas} replicas of CoreDNS", every=0.2)


def test_services_answer_by_name_as_at_their_cluster_ips(topology: Path) -> None:
    verdicts = asked(topology)

    assert set(verdicts) == {"pass"}, "\n\n".join(verdicts.get("fail", []) + verdicts.get("inconclusive", []))
    assert len(verdicts["pass"]) == CELLS
    assert sum(".dnsname-" in one for one in verdicts["pass"]) == BY_NAME


# A Service without endpoints refuses by ICMP, of which a kernel sends a client few in a second (icmp_ratelimit):
# the other lookups time out.
REFUSED, SILENT = "no name was found in DNS from here", "the DNS server did not answer"


def test_without_dns_servers_cells_by_name_are_inconclusive_and_no_others(topology: Path) -> None:
    scale(0)
    try:
        verdicts = asked(topology)
    finally:
        scale(REPLICAS)

    assert set(verdicts) == {"pass", "inconclusive"}, verdicts.get("fail")
    assert len(verdicts["inconclusive"]) == BY_NAME
    assert all(REFUSED in one or SILENT in one for one in verdicts["inconclusive"])
    assert any(REFUSED in one for one in verdicts["inconclusive"])


def test_a_node_that_drops_queries_makes_the_cells_by_name_of_its_pods_inconclusive(topology: Path) -> None:
    on("n1", "iptables", "-t", "raw", "-I", "PREROUTING", *QUERIES)
    try:
        verdicts = asked(topology)
    finally:
        on("n1", "iptables", "-t", "raw", "-D", "PREROUTING", *QUERIES)

    assert set(verdicts) == {"pass", "inconclusive"}, verdicts.get("fail")
    assert all(SILENT in one for one in verdicts["inconclusive"])
    assert len(verdicts["inconclusive"]) == BY_NAME // 2
