"""The containerd of a lab: Debian's, or a newer one built from its Go module where the kubelet requires that.

find(Version(1, 37, 2), cache=cache_dir()).path

kubelet 1.36 and newer require containerd 2. Its shim is built with it, since a daemon and a shim of different major
versions are not supported together. runc stays Debian's.

Source: containerd's docs/RELEASES.md and Makefile; `RUNTIMES` of component_flags.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import ProcessError, run
from topologies.lab.build.go_module import building_in, pinned_lines
from topologies.lab.build.kubernetes import locked
from topologies.lab.build.long_commands import PATH
from topologies.lab.build.program_files import find_fault
from topologies.lab.component_flags import required_runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.schema.topology import Version

MODULE = "github.com/containerd/containerd/v2"
BUILT = "v2.2.9"
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
# What is off needs cgo, and no lab uses it.
TAGS = "no_btrfs,no_devmapper,no_zfs,urfave_cli_no_docs,osusergo,netgo,static_build"
GO_MOD = f"module hairpin.invalid/containerd\n\ngo 1.25.0\n\nrequire {MODULE} {BUILT}\n"
NAME = "containerd"


class RuntimeMissingError(HairpinError):
    """The lab's container runtime is not available. The message has the next step."""


@dataclass(frozen=True, slots=True)
class ContainerRuntime:
    """A containerd with the programs beside it. `path`: the PATH under which its programs are found first."""

    version: str
    path: str = PATH

    def __str__(self) -> str:
        return f"{NAME} {self.version}"


def find(kubernetes: Version, *, cache: Path) -> ContainerRuntime:
    """Return the machine's containerd if this Kubernetes accepts it, else the one in the cache.

    Args:
        kubernetes: The version of the lab's kubelets.
        cache: The cache directory.

    Raises:
        RuntimeMissingError: Neither will do.
        ProcessError: containerd does not run.

    """
    installed = ContainerRuntime(_read_version(run((NAME, "--version"))))
    required, why = required_runtime(kubernetes)
    if _pair(installed.version) >= required:
        return installed
    if not _missing(place(cache)):
        return ContainerRuntime(BUILT.removeprefix("v"), f"{place(cache)}:{PATH}")
    major, minor = required
    message = (
        f"containerd for Kubernetes {kubernetes}: got {installed.version}, want {major}.{minor} or newer: {why}. "
        f"Install one, or run `hairpin lab get {kubernetes} {NAME}`"
    )
    raise RuntimeMissingError(message)


def installed_serves(kubernetes: Version) -> bool:
    """Return whether the machine has a containerd, and this Kubernetes accepts it."""
    try:
        found = _read_version(run((NAME, "--version")))
    except (ProcessError, RuntimeMissingError):
        return False
    return _pair(found) >= required_runtime(kubernetes)[0]


def place(cache: Path) -> Path:
    """Return the directory of the built containerd in the cache."""
    return cache / NAME / BUILT.removeprefix("v")


def make(cache: Path, progress: Callable[[str], None]) -> Path:
    """Build containerd into the cache, one builder at a time, unless it is there.

    Args:
        cache: The cache directory.
        progress: Receives the progress.

    Returns:
        Its directory.

    Raises:
        BuildError: Go is missing or too old, the registry does not serve a module, no network, or no room.

    """
    into = place(cache)
    into.parent.mkdir(parents=True, exist_ok=True)
    with locked(into.with_name(f"{into.name}.lock"), progress):
        if missing := _missing(into):
            _build(missing, into, progress)
    return into


def _missing(folder: Path) -> list[str]:
    """Return the programs that a directory does not have, or not whole."""
    return [name for name in PROGRAMS if find_fault(folder / name)]


def _build(programs: list[str], into: Path, progress: Callable[[str], None]) -> None:
    work = into.with_name(f"{into.name}.modules")
    with building_in(work, progress) as module:
        _, go_sum = module.download(MODULE, BUILT)
        module.write(GO_MOD, go_sum + "".join(pinned_lines(MODULE, BUILT)))
        flags = ("-tags", TAGS, "-ldflags", f"-s -w -X {MODULE}/version.Version={BUILT}")
        for name in programs:
            module.build(f"{name} {BUILT.removeprefix('v')}", f"{MODULE}/cmd/{name}", into / name, *flags)


def _read_version(output: str) -> str:
    """Return the version in the output of `containerd --version`.

    >>> _read_version("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3")
    '1.6.20'
    """
    found = re.search(r" v?(\d+\.\d+\.\d+)", output)
    if not found:
        message = f"containerd --version: got {output.strip()!r}, want a version such as 1.6.20"
        raise RuntimeMissingError(message)
    return found[1]


def _pair(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
