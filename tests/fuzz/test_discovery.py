"""Whatever an API lists and a node prints, discovery gives values or nothing: no traceback, always a YAML file."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import yaml

from tests.fuzz.bounds import in_time, rounds
from tests.unit.support.real_clusters.catalogue import CLUSTERS
from topologies.discovery import writing
from topologies.discovery.discover import assemble
from topologies.discovery.findings import Finding
from topologies.discovery.inventory import Inventory, read_node, read_pod_owner, read_service
from topologies.discovery.node_facts import parse
from topologies.discovery.nodes import choose
from topologies.discovery.probe_pods import Probed

if TYPE_CHECKING:
    from tests.unit.support.real_clusters.seeds import SeededCluster

ODD: tuple[Any, ...] = (
    None,
    3,
    "",
    "x",
    [],
    {},
    [None],
    {"a": None},
    "10.0.0.0/33",
    "fd00::1",
    "a\nb: c",
    "\x00",
    "#",
    "'",
    1e9,
    True,
)


def damaged(value: Any, chance: random.Random) -> Any:
    """Return the value with some parts replaced by odd ones, or left out; names stay."""
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if key in {"metadata", "name"} or chance.random() > 0.05}
        return {key: one if key == "name" else damaged(one, chance) for key, one in kept.items()}
    if isinstance(value, list):
        return [damaged(one, chance) for one in value]
    return chance.choice(ODD) if chance.random() < 0.1 else value


def test_a_damaged_cluster_gives_a_yaml_file() -> None:
    for seed in rounds(1500):
        chance = random.Random(seed)
        cluster = CLUSTERS[chance.choice(sorted(CLUSTERS))]()
        with in_time():
            text = described(cluster, chance)
            assert isinstance(yaml.safe_load(text), dict), seed


def described(cluster: SeededCluster, chance: random.Random) -> str:
    nodes = tuple(read_node(one | damaged(one, chance) | {"metadata": one["metadata"]}) for one in cluster.nodes)
    objects = {path.rpartition("/")[2]: tuple(damaged(items, chance)) for path, items in cluster.objects.items()}
    inventory = Inventory(
        version=chance.choice((cluster.version, "", "x")),
        nodes=nodes,
        daemon_sets=tuple(read_pod_owner(damaged(one, chance)) for one in cluster.daemon_sets),
        services=tuple(read_service(damaged(one, chance)) for one in cluster.services),
        config_maps={
            name: {key: str(damaged(text, chance)) for key, text in data.items()}
            for name, data in cluster.config_maps.items()
        },
        objects={name: tuple(one for one in items if isinstance(one, dict)) for name, items in objects.items()},
    )
    facts = {}
    for name, output in cluster.outputs.items():
        printed = bytearray(output.printed())
        for _ in range(chance.randrange(4)):
            position = chance.randrange(len(printed))
            printed[position : position + chance.randrange(30)] = chance.randbytes(chance.randrange(9))
        facts[name] = parse(name, bytes(printed))
    choice = choose(nodes, 4)
    if not choice.chosen:
        return "refused: no node can be declared"
    probed = Probed(
        facts={name: one for name, one in facts.items() if name in {one.node.name for one in choice.chosen}}
    )
    return writing.render(
        assemble(inventory, choice, probed, Finding("x.example/a:1", "given")), "mine", "https://x", "now"
    )
