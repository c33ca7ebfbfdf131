"""Build Kubernetes from Debian's source package: fetch, patch, build, keep only the programs.

Three stages, each with a stamp, so that an interrupted build resumes: `sources`, `patched`, `built`.
The source tree, GOPATH and Go's cache (3 GB) live in `cache/kubernetes/<version>.build` and are deleted at the end.
The vendored reflect2 1.0.1 panics when built with Go >= 1.18; Debian's own 1.0.2 replaces it.

Source: `hack/lib/golang.sh` of Debian's `kubernetes` 1.20.5+really1.20.2; reflect2 observed with Go 1.19.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.lab.build.apt import Debian, upstream
from topologies.lab.build.long_commands import PATH, Progress, run_long
from topologies.lab.ownership import claim, discard
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUITE = "bookworm"
PACKAGED = Version(1, 20, 2)
REFLECT2 = "golang-github-modern-go-reflect2-dev"
TARGETS = (
    "cmd/kube-apiserver",
    "cmd/kube-controller-manager",
    "cmd/kube-scheduler",
    "cmd/kubelet",
    "cmd/kube-proxy",
    "test/images/agnhost",
)
NEEDED = tuple(target.rsplit("/", 1)[1] for target in TARGETS)
# Debian's own Go, whatever Go is first in the user's PATH: Kubernetes 1.20 does not build with a much newer one.
GO = "/usr/lib/go-1.19/bin"
BUILD_PATH = f"{GO}:{PATH}"
# program -> the package that has it
PREREQUISITES = {
    "go": "golang-1.19-go",
    "rsync": "rsync",
    "jq": "jq",
    "dpkg-source": "dpkg-dev",
    "patch": "patch",
    "make": "make",
    "gcc": "gcc",
    "xz": "xz-utils",
}
ROOM = 5 * 2**30
ALMOST_FULL = 16 * 2**20  # bytes: the linker writes more than that at once
FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


class BuildError(HairpinError):
    """Kubernetes or a guest kernel cannot be built here: a prerequisite or disk space is missing, or the version."""


@dataclass(frozen=True, slots=True)
class KubernetesBuild:
    """One build of Kubernetes: in `work`, with the source tree while it runs; the programs go to `into`."""

    version: Version
    work: Path
    into: Path
    progress: Callable[[str], None]
    targets: tuple[str, ...] = TARGETS

    def run(self) -> None:
        """Run the stages that have no stamp yet, copy the programs, delete the tree."""
        check_prerequisites()
        claim(self.work)
        check_room(self.work)
        for name, stage in (("sources", self.fetch), ("patched", self.patch), ("built", self.compile)):
            stamp = self.work / f"{name}.stamp"
            if not stamp.exists():
                stage()
                stamp.touch()
        self.deliver()
        discard(self.work)

    @property
    def tree(self) -> Path:
        """The unpacked source tree, where a GOPATH build requires it."""
        return self.work / "gopath" / "src" / "k8s.io" / "kubernetes"

    def fetch(self) -> None:
        """Fetch the sources and reflect2 (stage 1).

        Raises:
            BuildError: Debian has another version.

        """
        for leftover in ("sources", "gopath"):
            shutil.rmtree(self.work / leftover, ignore_errors=True)
        debian = Debian(self.work / "apt", SUITE, self.progress)
        debian.update()
        unpacked = debian.source("kubernetes", self.work / "sources")
        debian.download(REFLECT2, self.work / "sources")
        found = upstream(unpacked.name.removeprefix("kubernetes-"))
        if found != str(self.version):
            message = f"sources of Kubernetes: Debian {SUITE}: got {found}, want {self.version}"
            raise BuildError(message)
        self.tree.parent.mkdir(parents=True)
        unpacked.rename(self.tree)

    def patch(self) -> None:
        """Replace the vendored reflect2 by Debian's (stage 2)."""
        package = next((self.work / "sources").glob(f"{REFLECT2}_*.deb"))
        unpacked = self.work / "reflect2"
        run_long(("dpkg", "-x", str(package), str(unpacked)), self._progress("unpacking reflect2"))
        vendored = self.tree / "vendor/github.com/modern-go/reflect2"
        shutil.rmtree(vendored, ignore_errors=True)
        shutil.copytree(unpacked / "usr/share/gocode/src/github.com/modern-go/reflect2", vendored)

    def compile(self) -> None:
        """Run `make` (stage 3); Go's cache makes it resumable."""
        for folder in ("gocache", "tmp"):
            (self.work / folder).mkdir(exist_ok=True)
        what = f"building Kubernetes {self.version} (about 6 minutes on 2 cores)"
        self.progress(what)
        run_long(
            ("make", f"WHAT={' '.join(self.targets)}"), self._progress(what), cwd=self.tree, env=self._environment()
        )

    def deliver(self) -> None:
        """Copy the programs into the cache. Each is renamed when it is complete, so that none is ever half-written."""
        output = self.tree / "_output" / "local" / "go" / "bin"
        self.into.mkdir(parents=True, exist_ok=True)
        for name in (target.rsplit("/", 1)[1] for target in self.targets):
            beside = self.into / f".{name}.new"
            shutil.copy2(output / name, beside)
            beside.chmod(0o755)
            beside.rename(self.into / name)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": BUILD_PATH,
            "GOPATH": str(self.work / "gopath"),
            "GOCACHE": str(self.work / "gocache"),
            "TMPDIR": str(self.work / "tmp"),
            "HOME": str(self.work),
            # GOPATH mode requires a PWD without symbolic links
            "PWD": str(self.tree),
            "GO111MODULE": "off",
            "GOPROXY": "off",
            "CGO_ENABLED": "0",
            "KUBE_GIT_VERSION": f"v{self.version}",
            "KUBE_GIT_MAJOR": str(self.version.major),
            "KUBE_GIT_MINOR": str(self.version.minor),
            "KUBE_GIT_COMMIT": "unknown",
            "KUBE_GIT_TREE_STATE": "archive",
        }

    def _progress(self, what: str) -> Progress:
        return Progress(self.progress, what, self.work / "build.log")


def check_prerequisites(path: str = BUILD_PATH) -> None:
    """Raise BuildError with the one line that installs all that is missing from the build's PATH."""
    missing = [package for program, package in PREREQUISITES.items() if not shutil.which(program, path=path)]
    if missing:
        line = f"apt-get install --no-install-recommends {' '.join(missing)}"
        message = f"build of Kubernetes: got no {', '.join(missing)}, want all of them. Run {line}"
        raise BuildError(message)


def check_room(where: Path) -> None:
    """Raise BuildError unless the file system has room for the build, less what an interrupted one has used."""
    free = shutil.disk_usage(where).free
    if free < ROOM and free + measure(where) < ROOM:
        message = (
            f"build of Kubernetes: {where}: got {free / 2**30:.1f} GiB free, want {ROOM >> 30} GiB. Set HAIRPIN_CACHE"
        )
        raise BuildError(message)


def measure(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def describe_full_disk(error: str, where: Path) -> str:
    """Return what an error of a build means if the disk is full; an empty string for another error.

    The log of a build is on the same disk, so its last line may be lost.
    """
    free = shutil.disk_usage(where).free
    if free > ALMOST_FULL and not FULL.search(error):
        return ""
    got = f"a full disk ({free / 2**30:.1f} GiB free)"
    return f"{where}: got {got}, want {ROOM >> 30} GiB for the build. Set HAIRPIN_CACHE"


@contextmanager
def locked(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file. A second builder prints that it waits. The kernel drops the lock of a killed builder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that builds {path.with_suffix('')}")
            flock(handle, LOCK_EX)
        yield
