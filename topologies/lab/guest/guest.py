"""A guest's life: `declare` writes down, before there is an sandbox, how it is booted; `Guest` boots it from inside.

It ends with the sandbox, whose process it is.

Errors: GuestError (this machine cannot hold a guest: what is missing and the way out).
Source: `arch/um`, `Documentation/virt/uml/user_mode_linux_howto_v2.rst` of Linux.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import Child, ProcessError, spawn
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, unmet, until
from topologies.lab.build.apt import DebianError
from topologies.lab.build.binaries import cache_dir
from topologies.lab.build.kubernetes import BuildError
from topologies.lab.guest.build import kernel
from topologies.lab.network import netns
from topologies.lab.network import plan as addresses
from topologies.lab.state import State, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from topologies.schema.topology import Topology

GIB = 2**30
MEMORY = 6 * GIB  # the most a guest may take; what it does not touch is never taken
NEEDED = 2 * GIB  # what four workers touch, with room
NAME = "guest"
PACKAGE = Path(__file__).parents[3]


class GuestError(HairpinError):
    """No guest here: what is missing and the next step."""


@dataclass(frozen=True, slots=True)
class Guest:
    """The workers in a guest; as `workers.Workers`, from within the sandbox. `daemons`: `kernel of guest`."""

    topology: Topology
    state: State
    daemons: dict[str, Child]

    def make(self) -> None:
        """Plug its cards in and boot it; its first process makes the workers. GuestError, ProcessError."""
        plan, log = read(self.state.guest), self.state.log(NAME, "kernel")
        wires = {card: netns.plugged(f"{NAME}-{card}", switch) for card, switch in cards(self.topology).items()}
        plugged = {card: wire.fileno() for card, wire in wires.items()}
        argv = command(Path(plan["image"]), self.state, plan["processor"], plugged)
        env = {"PATH": os.environ["PATH"], "TMPDIR": "/dev/shm"}  # noqa: S108 - where its memory is
        self.daemons[f"kernel of {NAME}"] = spawn(argv, log, env=env, keep=tuple(plugged.values()))
        for wire in wires.values():
            wire.close()

    def await_modes(self) -> None:
        """Until its first process has heard every kube-proxy tell the right mode; ProcessError."""
        until(
            unmet(self.state.modes_told.exists),
            Deadline(TIMEOUTS.guest_modes_s),
            "modes of the guest's kube-proxies",
            every=0.05,
        )


def image(say: Callable[[str], None]) -> Path:
    """The guest's kernel, built first if it is not there; GuestError."""
    try:
        return kernel(cache_dir(), say)
    except (BuildError, DebianError, ProcessError) as error:
        message = f"the guest's kernel could not be built: {error}\nMend that and try again (it goes on where it was)"
        raise GuestError(message) from error


def declare(state: State, image: Path) -> None:
    """Write down how its guest is started."""
    guests = sum(1 for other in state.root.parent.glob("*/guest.json") if State(other.parent).process)
    write(state.guest, {"image": str(image), "processor": processor(list(os.sched_getaffinity(0)), guests)})


def check() -> None:
    """GuestError unless processor and memory will do."""
    if platform.machine() != "x86_64":
        message = f"a guest needs an x86_64 processor, this is {platform.machine()}"
        raise GuestError(message)
    if (free := available()) < NEEDED:
        message = f"a guest needs {NEEDED >> 30} GiB of memory, {free / GIB:.1f} GiB are free: end something"
        raise GuestError(message)


def available() -> int:
    """The memory that could be taken now, in bytes."""
    words = Path("/proc/meminfo").read_text().split()
    return int(words[words.index("MemAvailable:") + 1]) << 10


def cards(topology: Topology) -> dict[str, str]:
    """A guest's network cards and the switches they are plugged into, inside as outside."""
    second = any(node.secondary_address for node in topology.nodes)
    return {"vec0": addresses.NODES} | ({"vec1": addresses.SECOND} if second else {})


def command(image: Path, state: State, processor: int, plugged: Mapping[str, int]) -> list[str]:
    """The kernel's command line: one processor, the sandbox's files as its own, `init.py` first; GuestError.

    `plugged`: its cards, each with the descriptor of the socket that it is. (The driver's own ways to open one do not
    serve a bridge: `tap` faults in Linux 7.3, `vector_poll` without a queue; `raw` and `hybrid` hear what they said.)
    """
    words = [
        *(f"mem={MEMORY >> 20}M", "seccomp=on", "rootfstype=hostfs", "root=/dev/root", "rw", "quiet", "panic=-1"),
        *("con=null", "con0=null,fd:1", "ssl=null", f"uml_dir={state.root}/uml/"),
        *(f"{card}:transport=fd,fd={descriptor}" for card, descriptor in plugged.items()),
        *(f"PYTHONPATH={PACKAGE}", "PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "HOME=/root"),
        *(f"init={sys.executable}", "--", "-m", "topologies.lab.guest.init", str(state.root)),
    ]
    if spaced := [word for word in words if " " in word or '"' in word]:
        message = f"a guest's command line cannot hold {spaced[0]!r}: choose a path without spaces (HAIRPIN_CACHE)"
        raise GuestError(message)
    return ["taskset", "--cpu-list", str(processor), str(image), *words]


def processor(allowed: Sequence[int], guests: int) -> int:
    """The one processor of the next guest: the last that we may use, the one before for a second guest, and so on.

    >>> processor([0, 1, 2], 0), processor([0, 1, 2], 1)
    (2, 1)
    """
    return sorted(allowed)[-1 - guests % len(allowed)]
