"""Mutated topology files and overrides: a Topology or a TopologyError, in time, and a topology leads to predictions."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.oracle.modes.chains import UnsupportedMode
from probes.oracle.predict import expect
from probes.plan.plan import plan
from tests.fuzz.bounds import MEMORY_MB, Memory, in_time, rounds
from topologies.cluster_state.snapshot import declared
from topologies.frontends import UnresolvedError
from topologies.loading.load import LIBRARY, TopologyError, names, parse
from topologies.loading.overrides import declared as declared_with
from topologies.loading.overrides import parse as parse_overrides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.topology import Topology

SEED = 9
CELLS = 5  # predicted of each topology that loads
TEXTS = [(LIBRARY / f"{name}.yaml").read_text(encoding="utf-8") for name in names()]
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 254, 3_000_000_000, 10**400, 0.0, -0.5, 1e308, float("inf"), float("nan"),
    "", " ", "a", "A", "ä", "none", "Local", "primary", "loopback", "undeclared", "settled-1", "prober", "1web",
    "a.b.c", "x" * 64, "x" * 254, "x" * 5000, "9" * 5000, "a\nb", "\x00", "\x1b[2J", "٣", "²", "[a", "*" * 99,
    "10.0.0.300", "10.0.0.1", "127.0.0.1", "0.0.0.1", "255.255.255.255", "224.0.0.1", "::1", "fe80::1%eth0",
    "10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.0/30", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.0/33", "fd00::/64",
    "10.0.0.0/255.0.0.0", "10.244.0.0/16,fd00::/64", "198.18.1.11/32", "198.18.0.0/15",
    "1.20", "1.36.99", "v1.29.4-eks-036c24b", "1.99", "0.0", "2026-13-45", "2026-02-30", "0001-01-01", "9999-12-31",
    [], [[]], [None], ["a"], [1] * 300, ["10.0.0.1"] * 3, ["primary"], ["primary", "10.0.0.0/8"], {},
    {"a": 1},
    {"name": "n1"}, {"kind": "inline"}, {"kind": "none"},
    {"kind": "eni", "pod_cidr": "198.18.0.0/15"}, {"mode": "nftables"},
]  # fmt: skip
WORDS = [
    '"\\ud800"',
    '"\\e[2J"',
    "&a ",
    "*a",
    "!!python/object:os.system ",
    "<<: ",
    "---\n",
    "\t",
    "\x00",
    "\ufeff",
    "? ",
    "{",
    "[",
    "- ",
    ": ",
    "\n",
]


@pytest.fixture(autouse=True)
def in_memory(memory: Memory) -> Iterator[None]:
    """No case may make the process large."""
    yield
    assert memory.peak_mb() < MEMORY_MB


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into nested mappings and lists."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for step, inner in steps for deeper in places(inner, (*path, step)))]


def mutate(tree: Any, chance: random.Random) -> None:
    """Change one place: another value, one that is elsewhere, a key more, a key less, an element twice."""
    *parents, last = chance.choice(places(tree)[1:])
    place = tree
    for step in parents:
        place = place[step]
    how = chance.randrange(6)
    if how < 2:
        place[last] = deepcopy(chance.choice(HOSTILE))
    elif how == 2:
        donor = tree
        for step in chance.choice(places(tree)[1:]):
            donor = donor[step]
        place[last] = deepcopy(donor)
    elif how == 3:
        del place[last]
    elif isinstance(place, dict):
        key = chance.choice(
            ["x", "externalTrafficPolicy", "podCIDR", "name", "node", "protocol", "lab", "ssh", str(last) * 9]
        )
        place[key] = deepcopy(chance.choice(HOSTILE))
    else:
        place.extend(deepcopy(place[last]) for _ in range(chance.choice([1, 3, 40])))


def text_of(tree: Any) -> str:
    """The same as YAML."""
    return str(yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))


def damage(text: str, chance: random.Random) -> str:
    """Change some characters, or put in what YAML gives a meaning."""
    for _ in range(chance.choice([1, 2, 8])):
        at = chance.randrange(len(text) + 1)
        new = chance.choice([chance.choice(WORDS), chr(chance.randrange(0x250)), text[at : at + 40] * 2])
        text = text[:at] + new + text[at + chance.choice([0, 1, 5]) :]
    return text


def predict_some(topology: Topology, chance: random.Random) -> None:
    """Plan it all and predict a few cells, as `hairpin predict` does."""
    cells, snapshot = plan(topology).cells, declared(topology)
    assert len({cell.id for cell in cells}) == len(cells)
    for cell in chance.sample(cells, min(CELLS, len(cells))):
        try:
            expect(topology, snapshot, cell)
        except (UnresolvedError, UnsupportedMode):
            continue


def test_a_mutated_file_is_a_topology_or_one_error() -> None:
    loaded = refused = 0
    for number in rounds(5_000):
        chance = random.Random(SEED * 1_000_000 + number)
        tree = yaml.safe_load(chance.choice(TEXTS))
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            mutate(tree, chance)
        text = text_of(tree) if chance.random() < 0.7 else damage(text_of(tree), chance)
        with in_time():
            try:
                topology = parse(text, f"{number}.yaml")
            except TopologyError as error:
                refused += 1
                assert_readable(error)
            else:
                loaded += 1
                predict_some(topology, chance)
    assert loaded > refused / 20
    assert refused > loaded / 20


def assert_readable(error: TopologyError) -> None:
    """A complaint is one line that can be printed, and not pydantic's."""
    text = str(error)
    text.encode()
    assert len(text) < 20_000
    assert all(
        word not in text for word in ("Input should", "valid dictionary", "pydantic", "Value error", "Traceback")
    )
    assert all(one.want and one.got and one.path for one in error.complaints)


def test_a_mutated_override_is_a_topology_or_one_error() -> None:
    library = names()
    for number in rounds(2_000):
        chance = random.Random(SEED * 2_000_000 + number)
        name = chance.choice(library)
        tree = yaml.safe_load((LIBRARY / f"{name}.yaml").read_text(encoding="utf-8"))
        pairs = [override(tree, chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        with in_time():
            try:
                topology = declared_with(name, parse_overrides(pairs))
            except TopologyError as error:
                assert_readable(error)
            else:
                predict_some(topology, chance)


SHORT_PATHS = [
    "mode", "kind", "cni", "proxy.mode", "nodes", "nodes.n1.pod_cidr", "workload", "workload.services.web.port",
    "workload.backends[0].node", "load_balancer.addresses", "external_ips", "[", ".", "",
]  # fmt: skip
ENDINGS = [".x", "[0]", "[-1]", "[99999999999999999999]", "[²]", "..", ".name"]


def override(tree: Any, chance: random.Random) -> str:
    """A path of the file, or nearly one, and a value."""
    path = ".".join(map(str, chance.choice(places(tree)[1:])))
    path = chance.choice([path, path, path + chance.choice(ENDINGS), chance.choice(SHORT_PATHS)])
    value = chance.choice(HOSTILE)
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n")
    return path + chance.choice(["=", "=", "=", ""]) + text.strip()
