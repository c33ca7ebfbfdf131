"""The Kubernetes programs of a lab: from a directory of the user's, or from the cache, where they are built.

1.20.2 is built from Debian's sources when a lab asks for it, any other version from Go modules by `hairpin lab get`.

find(None, Version(1, 20, 2), cache=cache_dir(), progress=print).path("kubelet")
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError
from topologies.common.threads import map_all
from topologies.lab.build.apt import DebianError
from topologies.lab.build.kubernetes import NEEDED, PACKAGED, BuildError, KubernetesBuild, describe_full_disk, locked
from topologies.lab.build.modules import ModuleBuild
from topologies.lab.build.program_files import BinariesError, Program, find_fault, report_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from topologies.schema.topology import Version

APISERVER, PROXY = "kube-apiserver", "kube-proxy"
AGNHOST = "agnhost"  # of the pods' image; no release directory has it
RELEASED = tuple(name for name in NEEDED if name != AGNHOST)
ABREAST = 4  # programs that report their version at a time
ADVICE = "Give --kubernetes-bin DIRECTORY with " + ", ".join(RELEASED)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with every program of a lab but perhaps agnhost, and the version that its kubelet reports."""

    directory: Path
    version: Version
    agnhost: Path
    """The program of the pods' image: the directory's own, or one from the cache, of whatever version."""
    proxies: Mapping[str, Program] = field(default_factory=dict)
    """The kube-proxy of each node, by the node's name."""

    def path(self, name: str) -> Path:
        """Return the path of a program; KeyError for one that a lab does not use."""
        if name not in NEEDED:
            raise KeyError(name)
        return self.agnhost if name == AGNHOST else self.directory / name

    def proxy_of(self, node: str) -> Program:
        """Return the kube-proxy that a node starts with, and the version that it reports."""
        return self.proxies[node]


def cache_dir() -> Path:
    """Return `$HAIRPIN_CACHE`, or `hairpin` below `$XDG_CACHE_HOME`, or below `~/.cache`."""
    if own := os.environ.get("HAIRPIN_CACHE"):
        return Path(own).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache").absolute() / "hairpin"


def find(
    directory: Path | None,
    version: Version,
    *,
    cache: Path,
    progress: Callable[[str], None],
    programs: Sequence[str] = RELEASED,
) -> Binaries:
    """Return the programs of a version; the version that Debian packages is built first if need be.

    Args:
        directory: Where they are; None: the cache.
        version: The topology's.
        cache: The cache directory.
        progress: Receives the progress of a build.
        programs: Those that must be there and of this version.

    Raises:
        BinariesError: They are not available.

    """
    if directory is not None:
        return check(directory.absolute(), version, cache, programs)
    kept = place(version, cache)
    if version == PACKAGED:
        make(version, NEEDED, cache, progress)
    elif complaints(kept, programs):
        message = (
            f"Kubernetes {version}: {kept}: got no such directory or not all programs, want them. "
            f"Run `hairpin lab get {version}`. Or: {ADVICE}"
        )
        raise BinariesError(message)
    return check(kept, version, cache, programs)


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
            except (BuildError, ProcessError, DebianError, OSError) as error:
                why = describe_full_disk(str(error), kept.parent) or error
                message = (
                    f"build of Kubernetes {version} failed: {why}\nFix that and try again: it resumes. Or: {ADVICE}"
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


def check(directory: Path, version: Version, cache: Path, programs: Sequence[str] = RELEASED) -> Binaries:
    """Return the programs in a directory.

    Raises:
        BinariesError: A program is missing, is no whole program of this machine or does not run, or is of another
            minor version.

    """
    if lines := complaints(directory, programs):
        message = "\n".join(f"programs of Kubernetes {version}: {line}." for line in lines)
        raise BinariesError(message)
    reported = dict(
        zip(programs, map_all(report_version, [directory / name for name in programs], ABREAST), strict=True)
    )
    if lines := list(_other_versions(directory, version, reported)):
        raise BinariesError("\n".join(lines))
    return Binaries(directory, reported["kubelet"], _find_agnhost(directory, cache))


def _other_versions(directory: Path, version: Version, reported: Mapping[str, Version]) -> Iterator[str]:
    """Yield a line for each other minor version that programs report."""
    for found in sorted({found for found in reported.values() if found[:2] != version[:2]}):
        names = [name for name, one in reported.items() if one == found]
        advice = f", or give --kube-proxy-bin={directory / PROXY} and this kube-proxy runs" if names == [PROXY] else ""
        where = f"{directory}/{', '.join(names)}"
        yield f"version of {where}: got {found}, want {version} as declared. Change one of the two{advice}"


def follow(directory: Path, overrides: Mapping[str, object]) -> dict[str, object]:
    """Return overrides of a topology with the version of a directory's programs, unless they have a version.

    The version is kube-apiserver's, or kube-proxy's if there is no kube-apiserver that runs. A directory without either
    changes nothing: `check` names what is wrong with it.
    """
    for name in (APISERVER, PROXY):
        with suppress(BinariesError):
            return {"kubernetes": str(report_version(directory.absolute() / name)), **overrides}
    return dict(overrides)


def _find_agnhost(directory: Path, cache: Path) -> Path:
    """Return a directory's agnhost, or the newest one in the cache."""
    if (own := directory / AGNHOST).exists():
        if fault := find_fault(own):
            message = f"program of the pods' image: {own}: {fault}, or delete it: the one in the cache is used then."
            raise BinariesError(message)
        return own
    kept = sorted((cache / "kubernetes").glob(f"[0-9]*/{AGNHOST}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(kept):
        if find_fault(path) is None:
            return path
    message = (
        f"{AGNHOST} for the pods' image: got none in {directory} or the cache, want one. A release directory has none: "
        f"run `hairpin lab get {PACKAGED} {AGNHOST}` once"
    )
    raise BinariesError(message)


def complaints(directory: Path, programs: Sequence[str]) -> list[str]:
    """Return what is wrong with a directory that shall have these programs, as `PATH: got X, want Y. Next step`."""
    if not directory.is_dir():
        return [f"{directory}: got no such directory, want one with {', '.join(programs)}. Correct the path"]
    missing = [name for name in programs if not (directory / name).exists()]
    absent = f"{directory}: got no {', '.join(missing)}, want all of {', '.join(programs)}. Copy them there"
    found = {directory / name: find_fault(directory / name) for name in programs if name not in missing}
    return [*([absent] if missing else ()), *(f"{path}: {fault}" for path, fault in found.items() if fault)]
