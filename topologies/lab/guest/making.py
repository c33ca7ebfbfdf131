"""What the guest's first process does once there is a /proc: plugs its cards into switches and makes the workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from topologies.lab import cgroups
from topologies.lab.build import images
from topologies.lab.guest import guest
from topologies.lab.network import netns
from topologies.lab.state import read
from topologies.lab.worker.workers import Workers
from topologies.schema.topology import Topology

if TYPE_CHECKING:
    from topologies.lab.state import State


def make(state: State) -> None:
    """Until every kube-proxy has told the right mode; ProcessError, OSError."""
    topology = Topology.model_validate_json(state.topology.read_text())
    cards = guest.cards(topology)
    netns.prepare(cards.values())
    for card, switch in cards.items():
        netns.plug(card, switch)
    group = cgroups.UNIFIED.base(topology.name)
    cgroups.create(group, [node.name for node in topology.nodes], unified=True)
    golden = Path(read(state.record)["golden"])
    for node in topology.nodes:
        images.clone(golden, state.containerd(node.name))
    workers = Workers(topology, state, [group], {})
    workers.make()
    workers.await_modes()
    state.modes_told.touch()
