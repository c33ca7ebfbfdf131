"""Connect the guest's network cards to switches and create the workers; called when /proc is mounted."""

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
    """Create the workers, and wait until every kube-proxy runs in the declared mode.

    Raises:
        ProcessError: A command failed, or a kube-proxy runs in another mode.
        WaitTimeoutError: A kube-proxy does not answer.
        OSError: A file or socket cannot be used.

    """
    topology = Topology.model_validate_json(state.topology.read_text())
    cards = guest.cards(topology)
    netns.create_switches(cards.values())
    for card, switch in cards.items():
        netns.connect_card(card, switch)
    group = cgroups.UNIFIED.base(topology.name)
    cgroups.create(group, [node.name for node in topology.nodes], unified=True)
    golden = Path(read(state.record)["golden"])
    for node in topology.nodes:
        images.clone(golden, state.containerd(node.name))
    workers = Workers(topology, state, [group], {})
    workers.make()
    workers.await_modes()
    state.modes_checked.touch()
