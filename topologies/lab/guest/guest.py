"""Boot a guest kernel: `declare` writes how, before the sandbox exists; `Guest` boots it from inside the sandbox.

The guest is a process of the sandbox and ends with it.

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
from topologies.lab.guest.build import find_or_build
from topologies.lab.network import netns
from topologies.lab.network import plan as addresses
from topologies.lab.state import State, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from topologies.schema.topology import Topology

GIB = 2**30
MEMORY = 6 * GIB  # of a guest; pages that it does not touch are not allocated
NEEDED = 2 * GIB  # what four workers touch, and some to spare
NAME = "guest"
PACKAGE = Path(__file__).parents[3]


class GuestError(HairpinError):
    """The machine cannot run a guest kernel. The message has what is missing and the next step."""


@dataclass(frozen=True, slots=True)
class Guest:
    """The workers in a guest, with the interface of `workers.Workers`, used inside the sandbox."""

    topology: Topology
    state: State
    daemons: dict[str, Child]

    def make(self) -> None:
        """Connect its network cards and boot it; its first process creates the workers.

        Raises:
            GuestError: A path on its command line has a space.

        """
        plan, log = read(self.state.guest), self.state.log(NAME, "kernel")
        wires = {
            card: netns.open_card_socket(f"{NAME}-{card}", switch) for card, switch in cards(self.topology).items()
        }
        plugged = {card: wire.fileno() for card, wire in wires.items()}
        argv = command(Path(plan["image"]), self.state, plan["processor"], plugged)
        env = {"PATH": os.environ["PATH"], "TMPDIR": "/dev/shm"}  # noqa: S108 - where its memory is
        self.daemons[f"kernel of {NAME}"] = spawn(argv, log, env=env, keep=tuple(plugged.values()))
        for wire in wires.values():
            wire.close()

    def await_modes(self) -> None:
        """Wait until its first process has checked the mode of every kube-proxy.

        Raises:
            WaitTimeoutError: It has not within `guest_modes_s`.

        """
        until(
            unmet(self.state.modes_checked.exists),
            Deadline(TIMEOUTS.guest_modes_s),
            "modes of the guest's kube-proxies",
            every=0.05,
        )


def image(progress: Callable[[str], None]) -> Path:
    """Return the path of the guest's kernel, built first if need be.

    Raises:
        GuestError: It cannot be built.

    """
    try:
        return find_or_build(cache_dir(), progress)
    except (BuildError, DebianError, ProcessError) as error:
        message = f"build of the guest's kernel failed: {error}\nFix that and try again; the build resumes"
        raise GuestError(message) from error


def declare(state: State, image: Path) -> None:
    """Write how the guest is started."""
    guests = sum(1 for other in state.root.parent.glob("*/guest.json") if State(other.parent).process)
    write(state.guest, {"image": str(image), "processor": processor(list(os.sched_getaffinity(0)), guests)})


def check() -> None:
    """Raise GuestError unless the processor's type and the free memory suffice."""
    if platform.machine() != "x86_64":
        message = f"processor of a guest kernel: got {platform.machine()}, want x86_64"
        raise GuestError(message)
    if (free := available()) < NEEDED:
        message = f"guest kernel: got {free / GIB:.1f} GiB of free memory, want {NEEDED >> 30} GiB. End other programs"
        raise GuestError(message)


def available() -> int:
    """Return the available memory in bytes."""
    words = Path("/proc/meminfo").read_text().split()
    return int(words[words.index("MemAvailable:") + 1]) << 10


def cards(topology: Topology) -> dict[str, str]:
    """Return a guest's network cards and the switch of each, which has the same name inside and outside."""
    second = any(node.secondary_address for node in topology.nodes)
    return {"vec0": addresses.NODES} | ({"vec1": addresses.SECOND} if second else {})


def command(image: Path, state: State, processor: int, plugged: Mapping[str, int]) -> list[str]:
    """Return the kernel's command line: one processor, the sandbox's files as its root, `init.py` as init.

    Args:
        image: The kernel.
        state: The lab's.
        processor: The number of the processor it runs on.
        plugged: The descriptor of each card's packet socket. The driver's own transports do not work with a bridge:
            `tap` crashes in Linux 7.3 (`vector_poll` without a queue), `raw` and `hybrid` receive their own frames.

    Raises:
        GuestError: A path has a space, which a kernel's command line cannot hold.

    """
    words = [
        *(f"mem={MEMORY >> 20}M", "seccomp=on", "rootfstype=hostfs", "root=/dev/root", "rw", "quiet", "panic=-1"),
        *("con=null", "con0=null,fd:1", "ssl=null", f"uml_dir={state.root}/uml/"),
        *(f"{card}:transport=fd,fd={descriptor}" for card, descriptor in plugged.items()),
        *(f"PYTHONPATH={PACKAGE}", "PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "HOME=/root"),
        *(f"init={sys.executable}", "--", "-m", "topologies.lab.guest.init", str(state.root)),
    ]
    if spaced := [word for word in words if " " in word or '"' in word]:
        message = f"command line of a guest kernel: got {spaced[0]!r}, want no space in it. Set HAIRPIN_CACHE"
        raise GuestError(message)
    return ["taskset", "--cpu-list", str(processor), str(image), *words]


def processor(allowed: Sequence[int], guests: int) -> int:
    """Return the processor of the next guest: the last one that we may use, the one before for a second guest, etc.

    >>> processor([0, 1, 2], 0), processor([0, 1, 2], 1)
    (2, 1)
    """
    return sorted(allowed)[-1 - guests % len(allowed)]
