"""The Kubernetes programs a lab runs: from a directory the user gives, from the cache, or built from Debian's sources.

    find(None, Version(1, 20, 2), cache=cache_dir(), say=print).path("kubelet")

Errors: BinariesError, which lists everything that is missing and what to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import ProcessError, run
from topologies.lab.build.apt import DebianError
from topologies.lab.build.kubernetes import NEEDED, PACKAGED, BuildError, KubernetesBuild, locked
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable

ADVICE = "give --kubernetes-bin DIRECTORY with " + ", ".join(NEEDED)


class BinariesError(HairpinError):
    """The programs of a Kubernetes version are not to be had; lists all that is missing and the next step."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with every needed program, and the version its kubelet says it is."""

    directory: Path
    version: Version

    def path(self, name: str) -> Path:
        """Where a program is; KeyError for one the lab does not use."""
        if name not in NEEDED:
            raise KeyError(name)
        return self.directory / name


def cache_dir() -> Path:
    """`$HAIRPIN_CACHE`, or `hairpin` below `$XDG_CACHE_HOME`, or below `~/.cache`."""
    if own := os.environ.get("HAIRPIN_CACHE"):
        return Path(own).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache").absolute() / "hairpin"


def find(directory: Path | None, version: Version, *, cache: Path, say: Callable[[str], None]) -> Binaries:
    """The programs of a version, built first if need be (Debian's only); BinariesError if they cannot be had."""
    if directory is not None:
        return check(directory.absolute(), version)
    kept = cache / "kubernetes" / str(version)
    if complaints(kept):
        make(version, kept, say)
    return check(kept, version)


def make(version: Version, kept: Path, say: Callable[[str], None]) -> None:
    """Build a version into its place in the cache, one builder at a time; BinariesError."""
    if version != PACKAGED:
        message = f"Kubernetes {version} is neither in {kept} nor packaged by Debian ({PACKAGED} is): {ADVICE}"
        raise BinariesError(message)
    with locked(kept.with_name(f"{version}.lock"), say):
        if not complaints(kept):
            return
        try:
            KubernetesBuild(version, kept.with_name(f"{version}.build"), kept, say).run()
        except (BuildError, ProcessError, DebianError) as error:
            message = (
                f"Kubernetes {version} could not be built: {error}\nMend that and try again (it goes on), or {ADVICE}"
            )
            raise BinariesError(message) from error
    say(f"Kubernetes {version} is in {kept}")


def check(directory: Path, version: Version) -> Binaries:
    """The directory as Binaries if it holds every program and they are of the wanted minor version; BinariesError."""
    if found := complaints(directory):
        message = "\n  ".join((f"{directory} cannot serve as Kubernetes {version}:", *found, ADVICE))
        raise BinariesError(message)
    try:
        says = Version.parse(run((str(directory / "kubelet"), "--version")).removeprefix("Kubernetes ").strip())
    except (ProcessError, ValueError) as error:
        message = f"{directory}/kubelet --version: {error}"
        raise BinariesError(message) from error
    if says[:2] != version[:2]:
        message = f"{directory}/kubelet is {says}, the topology declares {version}: change one of the two"
        raise BinariesError(message)
    return Binaries(directory, says)


def complaints(directory: Path) -> list[str]:
    """What is wrong with a directory of programs, one line each; nothing if all are there and executable."""
    if not directory.is_dir():
        return [f"{directory} is not a directory"]
    return [line for name in NEEDED if (line := _complaint(directory / name))]


def _complaint(path: Path) -> str | None:
    if not path.is_file():
        return f"{path.name}: missing"
    return None if os.access(path, os.X_OK) else f"{path.name}: not executable (chmod +x)"
