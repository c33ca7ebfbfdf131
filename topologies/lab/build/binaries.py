"""The Kubernetes programs of a lab: from a directory of the user's, or from the cache, where they are built.

1.20.2 is built from Debian's sources when a lab asks for it, any other version from Go modules by `hairpin lab get`.

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
from topologies.lab.build.modules import ModuleBuild
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AGNHOST = "agnhost"  # of the pods' image; no release directory has it
RELEASED = tuple(name for name in NEEDED if name != AGNHOST)
ADVICE = "Give --kubernetes-bin DIRECTORY with " + ", ".join(RELEASED)


class BinariesError(HairpinError):
    """The programs of a Kubernetes version are not available. The message lists what is missing and the next step."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with every program of a lab but perhaps agnhost, and the version that its kubelet reports."""

    directory: Path
    version: Version
    agnhost: Path
    """The program of the pods' image: the directory's own, or one from the cache, of whatever version."""

    def path(self, name: str) -> Path:
        """Return the path of a program; KeyError for one that a lab does not use."""
        if name not in NEEDED:
            raise KeyError(name)
        return self.agnhost if name == AGNHOST else self.directory / name


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
        return check(directory.absolute(), version, cache)
    kept = place(version, cache)
    if version == PACKAGED:
        make(version, NEEDED, cache, progress)
    elif complaints(kept, RELEASED):
        message = (
            f"Kubernetes {version}: {kept}: got no such directory or not all programs, want them. "
            f"Run `hairpin lab get {version}`. Or: {ADVICE}"
        )
        raise BinariesError(message)
    return check(kept, version, cache)


def place(version: Version, cache: Path) -> Path:
    """Return the directory of a version in the cache."""
    return cache / "kubernetes" / str(version)


def make(version: Version, programs: Sequence[str], cache: Path, progress: Callable[[str], None]) -> Path:
    """Build programs of a version into its place in the cache, one builder at a time, unless they are there.

    Args:
        version: 1.20.2 is built from Debian's sources, always whole; any other from Go modules.
        programs: Names from NEEDED.
        cache: The cache directory.
        progress: Receives the progress.

    Returns:
        The directory.

    Raises:
        BinariesError: The build failed.

    """
    kept = place(version, cache)
    if not complaints(kept, programs):
        return kept
    with locked(kept.with_name(f"{version}.lock"), progress):
        if complaints(kept, programs):
            try:
                _builder(version, programs, kept, progress).run()
            except (BuildError, ProcessError, DebianError) as error:
                message = (
                    f"build of Kubernetes {version} failed: {error}\nFix that and try again: it resumes. Or: {ADVICE}"
                )
                raise BinariesError(message) from error
            progress(f"Kubernetes {version} is in {kept}")
    return kept


def _builder(
    version: Version, programs: Sequence[str], kept: Path, progress: Callable[[str], None]
) -> KubernetesBuild | ModuleBuild:
    if version == PACKAGED:
        return KubernetesBuild(version, kept.with_name(f"{version}.build"), kept, progress)
    return ModuleBuild(version, kept.with_name(f"{version}.modules"), kept, programs, progress)


def check(directory: Path, version: Version, cache: Path) -> Binaries:
    """Return the programs in a directory.

    Raises:
        BinariesError: A program is missing or does not run, or kubelet or kube-proxy is of another minor version.

    """
    if missing := complaints(directory, RELEASED):
        message = "\n  ".join((f"{directory} cannot serve as Kubernetes {version}:", *missing, ADVICE))
        raise BinariesError(message)
    reported = {name: report_version(directory / name) for name in ("kubelet", "kube-proxy")}
    for name, found in reported.items():
        if found[:2] != version[:2]:
            message = f"version of {directory}/{name}: got {found}, want {version} as declared. Change one of the two"
            raise BinariesError(message)
    return Binaries(directory, reported["kubelet"], _find_agnhost(directory, cache))


def follow(directory: Path, overrides: Mapping[str, object]) -> dict[str, object]:
    """Return overrides of a topology with the version of a directory's kube-proxy, unless they have a version.

    A directory without a kube-proxy that runs changes nothing: `check` names what is wrong with it.
    """
    try:
        reported = report_version(directory.absolute() / "kube-proxy")
    except BinariesError:
        return dict(overrides)
    return {"kubernetes": str(reported), **overrides}


def report_version(program: Path) -> Version:
    """Return the version that a program of Kubernetes prints.

    Raises:
        BinariesError: It does not run, or prints something else.

    """
    try:
        return Version.parse(run((str(program), "--version")).removeprefix("Kubernetes ").strip())
    except (ProcessError, ValueError) as error:
        message = f"{program} --version: {error}"
        raise BinariesError(message) from error


def _find_agnhost(directory: Path, cache: Path) -> Path:
    """Return a directory's agnhost, or the newest one in the cache."""
    kept = sorted((cache / "kubernetes").glob(f"[0-9]*/{AGNHOST}"), key=lambda path: path.stat().st_mtime)
    for path in (directory / AGNHOST, *reversed(kept)):
        if _complaint(path) is None:
            return path
    message = (
        f"{AGNHOST} for the pods' image: got none in {directory} or the cache, want one. A release directory has none: "
        f"run `hairpin lab get {PACKAGED} {AGNHOST}` once"
    )
    raise BinariesError(message)


def complaints(directory: Path, programs: Sequence[str]) -> list[str]:
    """Return what is wrong with a directory that shall have these programs, one line each."""
    if not directory.is_dir():
        return [f"{directory} is not a directory"]
    return [line for name in programs if (line := _complaint(directory / name))]


def _complaint(path: Path) -> str | None:
    if not path.is_file():
        return f"{path.name}: missing"
    return None if os.access(path, os.X_OK) else f"{path.name}: not executable (chmod +x)"
