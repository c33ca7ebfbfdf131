"""Every connection of a batch has a port of its own: what ipvs needs to tell replies apart."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from probes.asking import curl
from topologies.frontends import Target
from topologies.loading.load import load


def asks(count: int, times: int) -> list[curl.Ask]:
    return [curl.Ask(Target(IPv4Address("198.18.1.11"), 30000 + number), times) for number in range(count)]


def test_no_port_is_given_to_two_cells_nor_taken_from_the_nodeports() -> None:
    told = re.findall(r'local-port="(\d+)-(\d+)"', curl.compose(asks(100, 11), 2.0).stdin)
    given = [port for low, high in told for port in range(int(low), int(high) + 1)]

    assert len(told) == 100
    assert len(given) == len(set(given)) == 100 * (11 + curl.SPARE)
    assert set(given) <= set(curl.PORTS)


def test_batches_of_one_host_share_no_port_until_all_have_been_given() -> None:
    ports = curl.Ports()
    room = len(curl.PORTS) // 600
    starts = [ports.take(600) for _ in range(room)]

    given = {port for start in starts[: room - 1] for port in range(start, start + 600)}
    assert len(given) == 600 * (room - 1)
    assert given <= set(curl.PORTS)


def test_who_asks_from_the_same_host_shares_its_ports() -> None:
    vantages = {vantage.name: vantage.host for vantage in load("lab-small").workload.vantages}

    assert vantages["host-n2"] == vantages["ssh-n2"] == "n2"
    assert vantages["pod-n2"] == "pod-n2"
    assert vantages["ext-e1"] == "e1"


def test_more_connections_than_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="more than there are"):
        curl.compose(asks(1, len(curl.PORTS)), 2.0)
