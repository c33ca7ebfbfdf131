"""A lab's control groups: one for each node and one for everything else, in every hierarchy of the machine.

cgroup v1: `<hierarchy>/<own path>/hairpin-<label>/<node>`, in every hierarchy. cgroup v2: below the root of the one
hierarchy, because a group with processes (ours has some) cannot enable controllers for its children. The label is the
lab's name and a digest of its state directory, so that labs of one name in two caches do not share a group.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html ("No Internal Process Constraint").
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.subprocesses import Process
from topologies.common.timeouts import TIMEOUTS
from topologies.common.waiting import Deadline, pause

if TYPE_CHECKING:
    from collections.abc import Iterable

CGROUPS = Path("/sys/fs/cgroup")
PREFIX = "hairpin-"
SANDBOX = "sandbox"
COMMANDS = "commands"  # what `exec`, `shell` and `kubectl` start
INIT = "init"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted hierarchy. `options` are those to mount it with: `memory`, `none,name=systemd`, empty for v2."""

    mounted: Path
    root: str
    options: str
    own: str

    @property
    def unified(self) -> bool:
        """Whether it is cgroup v2."""
        return not self.options

    @property
    def name(self) -> str:
        """Its directory below /sys/fs/cgroup."""
        return self.mounted.name

    def base(self, label: str) -> Path:
        """Return the group of the lab with this label in this hierarchy."""
        below = "" if self.unified else self.own.removeprefix(self.root).lstrip("/")
        return self.mounted / below / f"{PREFIX}{label}"


UNIFIED = Hierarchy(CGROUPS, "/", "", "/")  # a guest's


def hierarchies(mountinfo: str, own: str) -> tuple[Hierarchy, ...]:
    """Return the hierarchies of a mountinfo and cgroup file (proc(5)). A hybrid layout counts as v1."""
    paths = {names: path for _, names, path in (line.split(":", 2) for line in own.splitlines())}
    mounted = [line.split() for line in mountinfo.splitlines() if " - cgroup" in line]
    found = [hierarchy for fields in mounted if (hierarchy := _hierarchy(fields, paths))]
    first = {hierarchy.options: hierarchy for hierarchy in reversed(found)}
    return tuple(hierarchy for key, hierarchy in first.items() if key) or tuple(first.values())


def _hierarchy(fields: list[str], paths: dict[str, str]) -> Hierarchy | None:
    root, mounted, kind, options = fields[3], Path(fields[4]), fields[fields.index("-") + 1], fields[-1].split(",")
    if kind == "cgroup2":
        return Hierarchy(mounted, root, "", paths.get("", "/"))
    for names, path in paths.items():
        if names and set(names.split(",")) <= set(options):
            return Hierarchy(mounted, root, f"none,{names}" if names.startswith("name=") else names, path)
    return None


def found() -> tuple[Hierarchy, ...]:
    """Return the machine's hierarchies."""
    own = Path("/proc/self")
    return hierarchies((own / "mountinfo").read_text(), (own / "cgroup").read_text())


def label(name: str, root: Path) -> str:
    """Return the label in the names of a lab's groups: the lab's name and a digest of its state directory."""
    return f"{name}-{sha256(str(root.absolute()).encode()).hexdigest()[:8]}"


def enter(bases: Iterable[Path]) -> None:
    """Move this process into the lab's groups, so that it ends with the lab.

    Raises:
        OSError: A group cannot be entered.

    """
    for group in commands(bases):
        (group / "cgroup.procs").write_text("0")


def commands(bases: Iterable[Path]) -> list[Path]:
    """Return the groups for commands in a lab, created if need be: a process in them ends with the lab."""
    groups = [base / COMMANDS for base in bases]
    for group in groups:
        _make(group)
    return groups


def create(base: Path, members: Iterable[str], *, unified: bool) -> None:
    """Create the lab's group and one for each member. A new cpuset gets its parent's processors and memory nodes."""
    _make(base)
    if unified:
        available = (base / "cgroup.controllers").read_text().split()
        (base / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in available))
    for member in members:
        _make(base / member)
        if unified:
            _make(base / member / INIT)


def inner(groups: Iterable[Path]) -> list[Path]:
    """Return the groups for a member's processes, below the ones its cgroup namespace shows as the root (v2 only).

    The process that holds the member's pid namespace goes there, too: the root must have no process of its own.
    """
    return [group / INIT for group in groups if (group / "cgroup.controllers").exists()]


def _make(group: Path) -> None:
    group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        path, parents = group / name, group.parent / name  # the root of v2 has no such file
        if path.exists() and parents.exists() and not path.read_text().strip():
            path.write_text(parents.read_text())


def remove(bases: Iterable[Path], *, seconds: float = TIMEOUTS.lab_end_s) -> list[Path]:
    """Kill the processes in these groups and remove them. Return those that could not be removed in time."""
    deadline = Deadline(seconds)
    left = [base for base in bases if base.exists()]
    while left and not deadline.passed:
        for base in left:
            _empty(base)
        left = [base for base in left if base.exists()]
        if left:
            pause(0.02)
    return left


def _empty(base: Path) -> None:
    for group in _deepest_first(base):
        try:
            for pid in (group / "cgroup.procs").read_text().split():
                if process := Process.find(int(pid)):
                    process.kill()
            group.rmdir()
        except OSError:  # busy or gone: the next round tries again
            continue


def _deepest_first(base: Path) -> list[Path]:
    return [*sorted((path for path in base.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)), base]
