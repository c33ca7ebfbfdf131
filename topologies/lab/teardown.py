"""Remove a lab: end its sandbox, empty its cgroups, delete its state directory, in whatever state they are.

Used by lab.py (`down`, and `up` after a failure) and by teardown_on_exit.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.lab import cgroups, ownership
from topologies.lab.sandbox import Sandbox, locate

if TYPE_CHECKING:
    from topologies.lab.state import State


class LabError(HairpinError):
    """A lab could not be created or removed. The message ends with the last lines of the log that shows why."""


def down(name: str) -> bool:
    """Remove the lab of this name. Return whether there was anything to remove.

    Raises:
        LabError: A cgroup could not be emptied.
        OwnershipError: What is there is not proven to be this lab's; nothing was touched.

    """
    state = locate(name)
    if not state.root.exists() and not state.root.with_name(f"{state.root.name}.lock").exists():
        return False
    with state.lock():
        return clear(state, name)


def clear(state: State, name: str) -> bool:
    """Do what `down` does; the caller holds the lab's lock."""
    record = ownership.proven(state, name)
    if record is None:
        return False
    bases = ownership.own_cgroups(state, record)
    Sandbox(name, state).end()
    if left := cgroups.remove(bases):
        message = (
            f"cgroups of lab {name}: got {', '.join(map(str, left))} still there, want them removed. "
            f"End the processes in them, then try `hairpin lab down {name}` again"
        )
        raise LabError(message)
    ownership.remove(state, name)
    return True
