"""Every connection of a batch has a port of its own: what ipvs needs to tell replies apart."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from probes import curl
from topologies.frontends import Target


def asks(count: int, times: int) -> list[curl.Ask]:
    return [curl.Ask(Target(IPv4Address("198.18.1.11"), 30000 + number), times) for number in range(count)]


def test_no_port_is_given_to_two_cells_nor_taken_from_the_nodeports() -> None:
    told = re.findall(r'local-port="(\d+)-(\d+)"', curl.compose(asks(100, 11), 2.0).stdin)
    given = [port for low, high in told for port in range(int(low), int(high) + 1)]

    assert len(told) == 100
    assert len(given) == len(set(given)) == 100 * (11 + curl.SPARE)
    assert set(given) <= set(curl.PORTS)


def test_more_connections_than_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="more than there are"):
        curl.compose(asks(1, len(curl.PORTS)), 2.0)
