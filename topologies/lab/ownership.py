"""Check that something belongs to a lab before it is removed or killed.

A lab's state directory holds its record, `lab.json`, from the moment it exists (`create`). Nothing is removed without
a record that names this lab, and no cgroup is emptied unless its name and place are the ones this lab gave it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.common.errors import HairpinError
from topologies.lab.cgroups import CGROUPS, PREFIX, label
from topologies.lab.state import State, read, write
from topologies.schema.topology import DNS_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAVE = "Nothing was removed. Remove it yourself if it is yours"
MARK = ".hairpin"


class OwnershipError(HairpinError):
    """A directory, record or cgroup is not proven to be this lab's. It was left alone."""


def lab_name(given: str) -> str:
    """Return `given` if it can be a lab's name.

    Raises:
        OwnershipError: It is a path, an empty string or the like.

    """
    if not re.fullmatch(DNS_LABEL, given):
        message = (
            f"lab name: got {given!r}, want a DNS label such as 'lab-flannel' (a-z, 0-9 and '-', at most 63). "
            "`hairpin lab status` lists the labs that run"
        )
        raise OwnershipError(message)
    return given


def create(state: State, record: dict[str, Any]) -> None:
    """Create the state directory with its record in it, both or neither.

    Raises:
        OwnershipError: The directory exists and is not empty.

    """
    fresh = _beside(state)
    fresh.mkdir(parents=True, exist_ok=True)
    write(fresh / state.record.name, record)
    try:
        fresh.rename(state.root)
    except OSError as error:
        _discard(fresh)
        message = (
            f"state of lab {record['name']}: {state.root}: got {error.strerror}, want an absent or empty directory"
        )
        raise OwnershipError(message) from error


def proven(state: State, name: str) -> dict[str, Any] | None:
    """Return the record of the lab whose state directory this is; None if there is no lab there.

    Raises:
        OwnershipError: Something is there without a record, or with the record of another lab.

    """
    _discard(_beside(state))
    if not state.root.is_symlink() and (not state.root.exists() or _is_empty_directory(state.root)):
        return None
    record = _readable(state.record) if state.root.is_dir() and not state.root.is_symlink() else None
    if not isinstance(record, dict) or record.get("name") != name:
        owner = f"the record of lab {record.get('name')!r}" if isinstance(record, dict) else "no lab's record"
        message = f"state of lab {name}: {state.root}: got {owner}, want {state.record.name} of lab {name!r}. {LEAVE}"
        raise OwnershipError(message)
    return record


def own_cgroups(state: State, record: dict[str, Any]) -> list[Path]:
    """Return the lab's cgroups.

    Raises:
        OwnershipError: The record names a cgroup that this lab cannot have made.

    """
    listed = record.get("cgroups", [])
    before_labels = f"{PREFIX}{record['name']}"  # of a lab that an earlier version created
    own = {f"{PREFIX}{label(record['name'], state.root)}", before_labels}
    bases = [Path(str(base)) for base in (listed if isinstance(listed, list) else [listed])]
    if foreign := [base for base in bases if base.name not in own or not _is_below(base, CGROUPS)]:
        named = ", ".join(map(str, foreign))
        message = f"{state.record}: cgroups: got {named}, want {max(own)} below {CGROUPS}. {LEAVE}"
        raise OwnershipError(message)
    return bases


def remove(state: State, name: str) -> None:
    """Remove the state directory of this lab, and nothing else; its record goes last.

    Raises:
        OwnershipError: See `proven`.

    """
    if proven(state, name) is None:
        return
    for path in state.root.iterdir():
        if path != state.record:
            _remove_tree(path)
    shutil.rmtree(state.root)


def claim(directory: Path) -> None:
    """Create a working directory that may be removed later, or find one that was created so.

    Raises:
        OwnershipError: The directory holds something and was not created here.

    """
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / MARK).exists() and any(directory.iterdir()):
        message = (
            f"build directory: {directory}: got foreign files, want it absent or empty. {LEAVE}, or set HAIRPIN_CACHE"
        )
        raise OwnershipError(message)
    (directory / MARK).touch()


def discard(directory: Path) -> None:
    """Remove a working directory that `claim` created.

    Raises:
        OwnershipError: `claim` did not create it.

    """
    claim(directory)
    shutil.rmtree(directory)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove files and directories with names that only this package gives, such as an unfinished image."""
    for path in paths:
        _remove_tree(path)


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _beside(state: State) -> Path:
    return state.root.with_name(f".{state.root.name}.new")


def _discard(fresh: Path) -> None:
    """Remove what an interrupted `create` left: at most a record in a directory of its own."""
    if fresh.is_dir():
        for name in ("lab.json", ".lab.json.new"):
            (fresh / name).unlink(missing_ok=True)
        if _is_empty_directory(fresh):
            fresh.rmdir()


def _readable(record: Path) -> object:
    try:
        return read(record)
    except ValueError:
        return None


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _is_below(path: Path, parent: Path) -> bool:
    return ".." not in path.parts and path != parent and path.is_relative_to(parent)
