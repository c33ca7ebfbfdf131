"""Whatever a node prints in place of its kube-proxy's facts: no traceback, and unknown facts stay unknown."""

from __future__ import annotations

import random

from tests.fuzz.bounds import in_time, rounds
from tests.unit.probes.lifecycle.test_proxy_facts import NEW, printed
from topologies.cluster_state.proxy_facts import LARGEST, parse

GOOD = printed("nftables", NEW, "v1.33.2")


def broken(dice: random.Random) -> bytes:
    """The good output with some bytes changed, cut somewhere."""
    bad = bytearray(GOOD)
    for _ in range(dice.randrange(1, 9)):
        bad[dice.randrange(len(bad))] = dice.randrange(256)
    return bytes(bad[: dice.randrange(len(bad))])


def test_broken_output() -> None:
    for number in rounds(2000):
        with in_time():
            assert parse("n1", broken(random.Random(number))).node == "n1"


def test_deep_output() -> None:
    with in_time():
        assert parse("n1", GOOD.replace(b"{", b"[" * LARGEST)).mode == "nftables"
