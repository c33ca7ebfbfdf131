"""Build the guest's kernel, a user-mode Linux, from Debian's `linux-source`, and keep it in the cache.

Takes the newest version in the backports of Debian's newest release: only since 6.16 has user-mode Linux `seccomp=on`
(system calls 20 times cheaper) and runs on processors with AMX. The key in the cache is Debian's version and the hash
of `uml.fragment`; a kernel in the cache needs no network. Two stages with a stamp, `sources` and `built`: about 6
minutes on 2 cores, 2 GB meanwhile, 12 MB in the end.

Source: `arch/um` of Linux; docs/ipvs.md.
"""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common.subprocesses import run
from topologies.lab.build.apt import Debian
from topologies.lab.build.kubernetes import BuildError, locked
from topologies.lab.build.long_commands import PATH, Progress, run_long
from topologies.lab.ownership import claim, discard

if TYPE_CHECKING:
    from collections.abc import Callable

FRAGMENT = Path(__file__).with_name("uml.fragment")
SUITE = "trixie-backports"
TOOLS = ("flex", "libfl2", "bison", "m4")  # unpacked beside the sources, not installed
PREREQUISITES = {"gcc": "gcc", "make": "make", "bc": "bc", "xz": "xz-utils", "tar": "tar", "dpkg": "dpkg"}
ROOM = 3 * 2**30


def find_or_build(cache: Path, progress: Callable[[str], None]) -> Path:
    """Return the path of the guest's kernel, built first if it is not in the cache.

    Raises:
        BuildError: A prerequisite or disk space is missing.
        DebianError: The machine's apt has no such source.
        ProcessError: A command failed.

    """
    place = cache / "guest"
    if kept := _kept(place):
        return kept
    with locked(place / f"{configuration_hash()}.lock", progress):
        if kept := _kept(place):
            return kept
        build = KernelBuild(place / f"{configuration_hash()}.build", progress)
        build.run()
        made = place / f"{build.version}-{configuration_hash()}"
        made.mkdir(exist_ok=True)
        build.deliver(made / "linux")
    progress(f"the guest's kernel is in {made}")
    return made / "linux"


def configuration_hash() -> str:
    """Return the hash of the kernel's configuration."""
    return sha256(FRAGMENT.read_bytes()).hexdigest()[:12]


def _kept(place: Path) -> Path | None:
    """Return the newest kernel of this configuration in the cache."""
    return max(place.glob(f"*-{configuration_hash()}/linux"), key=lambda path: path.stat().st_mtime, default=None)


@dataclass(frozen=True, slots=True)
class KernelBuild:
    """One build of a guest kernel in `work`, which is deleted at the end."""

    work: Path
    progress: Callable[[str], None]

    def run(self) -> None:
        """Run the stages that have no stamp yet."""
        check()
        claim(self.work)
        if (free := shutil.disk_usage(self.work).free) < ROOM:
            room = f"got {free / 2**30:.1f} GiB free, want {ROOM >> 30} GiB"
            message = f"build of a guest kernel: {self.work}: {room}. Set HAIRPIN_CACHE"
            raise BuildError(message)
        for name, stage in (("sources", self.fetch), ("built", self.compile)):
            stamp = self.work / f"{name}.stamp"
            if not stamp.exists():
                stage()
                stamp.touch()

    @property
    def version(self) -> str:
        """Debian's version of the source package, once it is fetched."""
        return (self.work / "version").read_text()

    @property
    def tree(self) -> Path:
        """The unpacked sources."""
        return self.work / "linux"

    def fetch(self) -> None:
        """Fetch the sources and the tools from the machine's mirror; apt verifies them (stage 1)."""
        own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        backports = Debian(self.work / "apt", SUITE, self.progress, mirror_of=own)
        backports.update()
        package = backports.download(backports.newest("linux-source-[0-9.]+"), self.work / "packages")
        (self.work / "version").write_text(run(("dpkg-deb", "--field", str(package), "Version")).strip())
        self._unpack(package, self.work / "source")
        shutil.rmtree(self.tree, ignore_errors=True)
        self.tree.mkdir()
        archive = next((self.work / "source/usr/src").glob("linux-source-*.tar.xz"))
        run_long(
            ("tar", "--extract", f"--file={archive}", f"--directory={self.tree}", "--strip-components=1"),
            self._progress("unpacking the kernel's sources"),
        )
        tools = Debian(self.work / "apt-tools", own, self.progress)
        tools.update()
        for tool in TOOLS:
            self._unpack(tools.download(tool, self.work / "packages"), self.work / "tools")

    def compile(self) -> None:
        """Configure and run `make`, which is resumable (stage 2)."""
        what = "building the guest's kernel (about 6 minutes on 2 cores)"
        self.progress(what)
        make = ("make", "--silent", "ARCH=um", f"KCONFIG_ALLCONFIG={FRAGMENT}")
        if not (self.tree / ".config").exists():
            run_long(
                (*make, "allnoconfig"), self._progress("configuring the guest's kernel"), cwd=self.tree, env=self._env()
            )
        if gone := missing_options(FRAGMENT.read_text(), (self.tree / ".config").read_text()):
            message = f"configuration of Linux {self.version}: got none of {', '.join(gone)}, want them. Fix {FRAGMENT}"
            raise BuildError(message)
        jobs = f"--jobs={len(os.sched_getaffinity(0))}"
        run_long((*make, jobs), self._progress(what), cwd=self.tree, env=self._env())

    def deliver(self, place: Path) -> None:
        """Move the kernel, without its symbols, to its place in the cache, and delete the build directory."""
        beside = place.with_name(f".{place.name}.new")
        run(("strip", "-o", str(beside), str(self.tree / "linux")))
        beside.rename(place)
        discard(self.work)

    def _unpack(self, package: Path, into: Path) -> None:
        run_long(("dpkg", "-x", str(package), str(into)), self._progress(f"unpacking {package.name}"))

    def _env(self) -> dict[str, str]:
        tools = self.work / "tools" / "usr"
        return {
            "PATH": f"{tools}/bin:{PATH}",
            "BISON_PKGDATADIR": f"{tools}/share/bison",
            "M4": f"{tools}/bin/m4",
            "LD_LIBRARY_PATH": f"{tools}/lib/x86_64-linux-gnu",
        }

    def _progress(self, what: str) -> Progress:
        return Progress(self.progress, what, self.work / "build.log")


def missing_options(fragment: str, config: str) -> list[str]:
    """Return the options of the fragment that are not in the configuration: renamed, or a dependency is missing.

    >>> missing_options("CONFIG_A=y CONFIG_B=y CONFIG_C=4", "CONFIG_A=y")
    ['CONFIG_B']
    """
    return [word.removesuffix("=y") for word in fragment.split() if word.endswith("=y") and word not in config.split()]


def check() -> None:
    """Raise BuildError, with the command that installs them, if prerequisites are missing."""
    if missing := [package for program, package in PREREQUISITES.items() if not shutil.which(program, path=PATH)]:
        install = f"apt-get install --no-install-recommends {' '.join(missing)}"
        message = f"build of a guest kernel: got no {', '.join(missing)}, want all of them. Run {install}"
        raise BuildError(message)
