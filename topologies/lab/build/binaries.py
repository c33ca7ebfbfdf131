"""The Kubernetes programs of a lab: from a directory of the user's, from the cache, or built from Debian's sources.

find(None, Version(1, 20, 2), cache=cache_dir(), progress=print).path("kubelet")
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

ADVICE = "Give --kubernetes-bin DIRECTORY with " + ", ".join(NEEDED)


class BinariesError(HairpinError):
    """The programs of a Kubernetes version are not available. The message lists what is missing and the next step."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with every program of a lab, and the version that its kubelet reports."""

    directory: Path
    version: Version

    def path(self, name: str) -> Path:
        """Return the path of a program; KeyError for one that a lab does not use."""
        if name not in NEEDED:
            raise KeyError(name)
        return self.directory / name


def cache_dir() -> Path:
    """Return `$HAIRPIN_CACHE`, or `hairpin` below `$XDG_CACHE_HOME`, or below `~/.cache`."""
    if own := os.environ.get("HAIRPIN_CACHE"):
        return Path(own).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache").absolute() / "hairpin"


def find(directory: Path | None, version: Version, *, cache: Path, progress: Callable[[str], None]) -> Binaries:
    """Return the programs of a version; the version that Debian packages is built first if need be.

    Args:
        directory: Where they are; None: the cache.
        version: The topology's.
        cache: The cache directory.
        progress: Receives the progress of a build.

    Raises:
        BinariesError: They are not available.

    """
    if directory is not None:
        return check(directory.absolute(), version)
    kept = cache / "kubernetes" / str(version)
    if complaints(kept):
        make(version, kept, progress)
    return check(kept, version)


def make(version: Version, kept: Path, progress: Callable[[str], None]) -> None:
    """Build a version into its place in the cache, one builder at a time.

    Raises:
        BinariesError: Debian does not package it, or the build failed.

    """
    if version != PACKAGED:
        message = f"Kubernetes {version}: {kept}: got no such directory, and Debian packages {PACKAGED} only. {ADVICE}"
        raise BinariesError(message)
    with locked(kept.with_name(f"{version}.lock"), progress):
        if not complaints(kept):
            return
        try:
            KubernetesBuild(version, kept.with_name(f"{version}.build"), kept, progress).run()
        except (BuildError, ProcessError, DebianError) as error:
            message = f"build of Kubernetes {version} failed: {error}\nFix that and try again: it resumes. Or: {ADVICE}"
            raise BinariesError(message) from error
    progress(f"Kubernetes {version} is in {kept}")


def check(directory: Path, version: Version) -> Binaries:
    """Return the programs in a directory.

    Raises:
        BinariesError: A program is missing, or kubelet is of another minor version.

    """
    if found := complaints(directory):
        message = "\n  ".join((f"{directory} cannot serve as Kubernetes {version}:", *found, ADVICE))
        raise BinariesError(message)
    try:
        reported = Version.parse(run((str(directory / "kubelet"), "--version")).removeprefix("Kubernetes ").strip())
    except (ProcessError, ValueError) as error:
        message = f"{directory}/kubelet --version: {error}"
        raise BinariesError(message) from error
    if reported[:2] != version[:2]:
        message = f"version of {directory}/kubelet: got {reported}, want {version} as declared. Change one of the two"
        raise BinariesError(message)
    return Binaries(directory, reported)


def complaints(directory: Path) -> list[str]:
    """Return what is wrong with a directory of programs, one line each."""
    if not directory.is_dir():
        return [f"{directory} is not a directory"]
    return [line for name in NEEDED if (line := _complaint(directory / name))]


def _complaint(path: Path) -> str | None:
    if not path.is_file():
        return f"{path.name}: missing"
    return None if os.access(path, os.X_OK) else f"{path.name}: not executable (chmod +x)"
