"""Whatever the sides of `hairpin qualify` are, they resolve to two topologies or to one clear error."""

from __future__ import annotations

import random

from hairpin.qualification.sides import resolve_sides
from tests.fuzz.bounds import in_time, rounds
from topologies.common.errors import HairpinError

WORDS = (
    *("1.34.4", "v1.30", "1.9", "1.24.6-eks-1", "99999.1", "1", "iptables", "ipvs", "nftables", "NFTABLES", "ipvs6"),
    *("lab-small", "lab-flannel", "lab-nowhere", "mine.yaml", "out/last", "run.json", ".", "..", "/", "/dev/null"),
    *("mode=ipvs", "proxy.masquerade_all=true", "kubernetes=1.30", "nodes=3", "=", "a=b=c", "cni=[", "workload=~"),
    *("", " ", "\0", "\n", "é", "x" * 5000, "-", "*", "~"),
)
JOINTS = ("/", ",", "", "=", "//", ",,")


GOOD = ("1.34.4/nftables", "1.30", "ipvs", "lab-small", "1.24.6,proxy.masquerade_all=true")


def invent(chance: random.Random) -> str:
    """Return a side of one to four words, or one that is right, so that few rounds have both."""
    if chance.random() < 0.3:
        return chance.choice(GOOD)
    parts = [chance.choice(WORDS)]
    for _ in range(chance.randrange(4)):
        parts += [chance.choice(JOINTS), chance.choice(WORDS)]
    return "".join(parts)


def test_any_two_sides_are_two_topologies_or_one_error() -> None:
    kinds = set()
    for seed in rounds(4000):
        chance = random.Random(seed)
        after = invent(chance) if chance.random() < 0.9 else None
        times = 0 if chance.random() < 0.5 else chance.randrange(2)
        changes = [chance.choice(WORDS)] * times, [chance.choice(WORDS)] * times
        base = chance.choice(("", "", "", "lab-eni", "nowhere"))
        with in_time():
            try:
                sides = resolve_sides(invent(chance), after, topology=base, changes=changes)
                kinds.add(len(sides))
            except HairpinError:
                kinds.add(0)
    assert kinds == {0, 2}
