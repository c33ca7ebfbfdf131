"""The lab's control groups: one per node and one for the rest, below our own, in every hierarchy the machine has.

Version 1: `<hierarchy>/<own path>/hairpin-<label>/<node>`, in every hierarchy. Version 2: below the root of the one
hierarchy, since a group that holds processes (ours does) may not hand controllers to its children. The label is the
lab's name and a digest of its state directory, so that labs of one name in two caches do not share a group.
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
    """A mounted hierarchy: `options` mount it again (`memory`, `none,name=systemd`, `` for version 2)."""

    mounted: Path
    root: str
    options: str
    own: str

    @property
    def unified(self) -> bool:
        """Version 2."""
        return not self.options

    @property
    def name(self) -> str:
        """The directory it is mounted at below /sys/fs/cgroup."""
        return self.mounted.name

    def base(self, label: str) -> Path:
        """Return the group of the lab with this label in this hierarchy."""
        below = "" if self.unified else self.own.removeprefix(self.root).lstrip("/")
        return self.mounted / below / f"{PREFIX}{label}"


UNIFIED = Hierarchy(CGROUPS, "/", "", "/")  # a guest's


def hierarchies(mountinfo: str, own: str) -> tuple[Hierarchy, ...]:
    """From /proc/self/mountinfo and /proc/self/cgroup; version 2 only without version 1 (a hybrid counts as 1)."""
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
    """The machine's hierarchies."""
    own = Path("/proc/self")
    return hierarchies((own / "mountinfo").read_text(), (own / "cgroup").read_text())


def label(name: str, root: Path) -> str:
    """Return what the groups of a lab are called: its name, and a digest of its state directory."""
    return f"{name}-{sha256(str(root.absolute()).encode()).hexdigest()[:8]}"


def enter(bases: Iterable[Path]) -> None:
    """Move this process into the lab's groups, so that it ends with the lab. OSError if they cannot be entered."""
    for base in bases:
        _make(base / COMMANDS)
        (base / COMMANDS / "cgroup.procs").write_text("0")


def create(base: Path, members: Iterable[str], *, unified: bool) -> None:
    """The lab's group and one for each member; in a cpuset the parent's processors and memory are taken over."""
    _make(base)
    if unified:
        available = (base / "cgroup.controllers").read_text().split()
        (base / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in available))
    for member in members:
        _make(base / member)
        if unified:
            _make(base / member / INIT)


def inner(groups: Iterable[Path]) -> list[Path]:
    """Where a member's processes live, below what its namespace shows as the root: there only, in version 2.

    Also the process outside that holds its pid namespace: a group with any process may not hand controllers on.
    """
    return [group / INIT for group in groups if (group / "cgroup.controllers").exists()]


def _make(group: Path) -> None:
    group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        path, parents = group / name, group.parent / name  # the root of version 2 has none: all of it is handed on
        if path.exists() and parents.exists() and not path.read_text().strip():
            path.write_text(parents.read_text())


def remove(bases: Iterable[Path], *, seconds: float = TIMEOUTS.lab_end_s) -> list[Path]:
    """End whatever is still in these groups and remove them; what could not be removed in time is returned."""
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
        except OSError:  # busy or gone: the next round sees
            continue


def _deepest_first(base: Path) -> list[Path]:
    return [*sorted((path for path in base.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)), base]
