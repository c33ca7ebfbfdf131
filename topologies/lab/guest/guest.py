"""A guest's life: `make` boots one and has the lab made in it; the island's own `end` ends it.

Errors: GuestError (this machine cannot hold a guest, or it did not boot: why, its last words, the way out).
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.lab.binaries import cache_dir
from topologies.lab.build import BuildError
from topologies.lab.debian import DebianError
from topologies.lab.guest import client
from topologies.lab.guest.build import kernel
from topologies.lab.guest.client import DoorError
from topologies.lab.processes import Process, ProcessError, children, spawn, tail, until
from topologies.lab.state import State, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from topologies.model import Topology

GIB = 2**30
MEMORY = 6 * GIB  # the most a guest may take; what it does not touch is never taken
NEEDED = 2 * GIB  # what a lab of four workers touches, with room
SHARED = Path("/dev/shm")  # noqa: S108 - where a user-mode kernel keeps its memory, in a file without a name
LINE = 9
BOOT = 60
PACKAGE = Path(__file__).parents[3]


class GuestError(Exception):
    """No guest here: what is missing and the next step."""


def make(topology: Topology, state: State, programs: Path, say: Callable[[str], None], *, stay: bool) -> int | None:
    """Boot a guest and make the lab in it; GuestError.

    Unless it shall `stay`, it ends when the descriptor returned is closed, by us or because this process ends.
    """
    check()
    try:
        image = kernel(cache_dir(), say)
    except (BuildError, DebianError, ProcessError) as error:
        message = f"the guest's kernel could not be built: {error}\nMend that and try again (it goes on where it was)"
        raise GuestError(message) from error
    state.root.mkdir(parents=True)
    (state.root / client.INSIDE).mkdir()
    state.topology.write_text(topology.model_dump_json())
    declared = state.root / "topology.yaml"  # JSON is YAML
    declared.write_text(topology.model_dump_json())
    write(state.record, {"name": topology.name, "cgroups": []})
    lifeline = _boot(state, image)
    say("the guest has booted")
    argv = [sys.executable, "-m", "topologies.lab", "up", "--topology", str(declared), "--kubernetes-bin"]
    _run(state, [*argv, str(programs)], say)
    if stay:
        os.write(lifeline, b"stay")
        os.close(lifeline)
    state.ready.touch()
    return None if stay else lifeline


def check() -> None:
    """GuestError unless processor, memory and its file system will do."""
    if platform.machine() != "x86_64":
        message = f"a guest needs an x86_64 processor, this is {platform.machine()}"
        raise GuestError(message)
    free = available()
    told = os.statvfs(SHARED)
    room = told.f_bavail * told.f_frsize
    if free < NEEDED:
        message = f"a guest needs {NEEDED >> 30} GiB of memory, {free / GIB:.1f} GiB are free: end something"
        raise GuestError(message)
    if room < NEEDED:
        message = (
            f"a guest keeps its memory in {SHARED} and needs {NEEDED >> 30} GiB, {room / GIB:.1f} GiB are free there: "
            f"mount -o remount,size={MEMORY >> 30}G {SHARED}"
        )
        raise GuestError(message)


def available() -> int:
    """The memory that could be taken now, in bytes."""
    words = Path("/proc/meminfo").read_text().split()
    return int(words[words.index("MemAvailable:") + 1]) << 10


def command(image: Path, state: State, processor: int) -> list[str]:
    """The kernel's command line: one processor, no network, the machine's / as its own, `init.py` first."""
    words = [
        *(f"mem={MEMORY >> 20}M", "seccomp=on", "rootfstype=hostfs", "root=/dev/root", "rw", "quiet", "panic=-1"),
        *("con=null", "con0=null,fd:1", "ssl=null", f"ssl0=fd:{LINE}", f"uml_dir={state.root}/uml/"),
        *(f"PYTHONPATH={PACKAGE}", "PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "HOME=/root"),
        *(f"init={sys.executable}", "--", "-m", "topologies.lab.guest.init", str(state.root)),
    ]
    if spaced := [word for word in words if " " in word or '"' in word]:
        message = f"a guest's command line cannot hold {spaced[0]!r}: choose a path without spaces (HAIRPIN_CACHE)"
        raise GuestError(message)
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "--cpu-list", str(processor), str(image), *words]


def processor(allowed: Sequence[int], guests: int) -> int:
    """The one processor of the next guest: the last that we may use, the one before for a second guest, and so on.

    >>> processor([0, 1, 2], 0), processor([0, 1, 2], 1)
    (2, 1)
    """
    return sorted(allowed)[-1 - guests % len(allowed)]


def door(state: State, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in the guest, with our input and output."""
    return [sys.executable, "-m", "topologies.lab.guest.client", str(state.door), "--", *argv]


def _boot(state: State, image: Path) -> int:
    """Start the keeper and wait for the guest's first words; the lifeline it hangs on."""
    guests = sum(1 for other in state.root.parent.glob("*/guest.json") if State(other.parent).process)
    argv = command(image, state, processor(list(os.sched_getaffinity(0)), guests))
    write(state.guest, {"argv": argv, "line": LINE, "env": {"PATH": os.environ["PATH"], "TMPDIR": str(SHARED)}})
    holder, lifeline = os.pipe()
    log = state.root / "keeper.log"
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    keeper = spawn([sys.executable, "-m", "topologies.lab.guest.keeper", str(state.root)], log, env=env, stdin=holder)
    os.close(holder)
    if process := Process.of(keeper.pid):
        write(state.island, {"pid": process.pid, "started": process.started})
    until(lambda: bool(children(keeper.pid)) or keeper.poll() is not None, "the guest's kernel", seconds=BOOT)
    try:
        until(lambda: state.booted.exists() or not children(keeper.pid), "the guest to boot", seconds=BOOT)
    except ProcessError as error:
        message = f"{error}\n{tail(state.console)}"
        raise GuestError(message) from error
    if not state.booted.exists():
        message = f"the guest did not boot:\n{tail(log)}\n{tail(state.console)}"
        raise GuestError(message)
    return lifeline


def _run(state: State, argv: Sequence[str], say: Callable[[str], None]) -> None:
    """A command in the guest, its lines told; GuestError with the last of them if it fails."""
    rest = b""

    def hear(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            say(line.decode(errors="replace"))

    env = {**client.environment(state.door), "PYTHONPATH": str(PACKAGE)}
    try:
        end = client.call(state.door, argv, env, hear)
    except DoorError as error:
        raise GuestError(str(error)) from error
    if end.status:
        message = f"the lab in the guest did not start: {end.message or f'status {end.status}, see above'}"
        raise GuestError(message)
