"""Build Kubernetes' programs from the Go modules of a release: any version that the module registry serves.

A module of ours requires `k8s.io/kubernetes` at the version. Kubernetes' own go.mod replaces its staging modules by
directories that its module does not contain; ours replaces them by the modules that are published for the same release
(`v0.34.4` for 1.34.4). The other versions are those of Kubernetes' go.mod and the checksums those of its go.sum.

The modules and Go's build cache (3 GB) live in `cache/kubernetes/<version>.modules` until every program is built, so
that an interrupted build resumes. A program is moved into the cache when it is complete.

Source: `go help mod`; `hack/lib/version.sh` and `staging/README.md` of Kubernetes.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError
from topologies.lab.build import go_errors
from topologies.lab.build.go_errors import GoVersion
from topologies.lab.build.kubernetes import TARGETS, check_room
from topologies.lab.build.long_commands import PATH, Progress, run_long
from topologies.lab.ownership import claim, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from topologies.schema.topology import Version

KUBERNETES = "k8s.io/kubernetes"
PACKAGES = {target.rsplit("/", 1)[1]: f"{KUBERNETES}/{target}" for target in TARGETS}
STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
STAGING = re.compile(r"(?P<before>\s*(?:replace\s+)?)(?P<name>k8s\.io/[\w.-]+)(?:\s+v\S+)?\s+=>\s+\./staging/\S+")
REQUIRED = re.compile(r"(?P<before>\s*(?:require\s+)?)(?P<name>k8s\.io/[\w.-]+)\s+v0\.0\.0\b(?P<after>.*)")
PINS = resources.files("topologies.lab.build") / "checksums.txt"


@dataclass(frozen=True, slots=True)
class ModuleBuild:
    """One build of programs of a Kubernetes version: in `work`, resumable; the programs go to `into`."""

    version: Version
    work: Path
    into: Path
    programs: Sequence[str]
    progress: Callable[[str], None]

    def run(self) -> None:
        """Build the programs that `into` does not have, and delete the modules and Go's cache.

        Raises:
            BuildError: Go is missing or too old, the registry does not serve a module, no network, or no room.

        """
        go = go_errors.find_go()
        claim(self.work)
        check_room(self.work)
        try:
            self._resolve(go)
            for name in self.programs:
                if not (self.into / name).exists():
                    self._build(go, name)
        except ProcessError as error:
            raise go_errors.explain(str(error), self.work) from error
        discard(self.work)

    @property
    def modules(self) -> Path:
        """GOMODCACHE of this build."""
        return self.work / "modules"

    def _resolve(self, go: Path) -> None:
        """Download Kubernetes' own module, and write our module from its go.mod and go.sum."""
        module = self.work / "module"
        module.mkdir(parents=True, exist_ok=True)
        what = f"downloading {KUBERNETES} v{self.version}"
        self._go(go, what, "mod", "download", f"{KUBERNETES}@v{self.version}")
        text = (self.modules / "cache/download" / KUBERNETES / "@v" / f"v{self.version}.mod").read_text("utf-8")
        go_errors.check_version(go, GoVersion.required(text))
        (module / "go.mod").write_text(our_module(text, self.version), encoding="utf-8")
        theirs = (self.modules / f"{KUBERNETES}@v{self.version}" / "go.sum").read_text("utf-8")
        (module / "go.sum").write_text("".join((theirs, *pinned(self.version))), encoding="utf-8")

    def _build(self, go: Path, name: str) -> None:
        """Build one program, and move it into its place when it is complete."""
        what = f"building {name} {self.version}"
        self.progress(what)
        made = self.work / "bin" / name
        made.parent.mkdir(exist_ok=True)
        flags = ("-trimpath", "-ldflags", f"-s -w {' '.join(stamps(self.version))}", "-o", str(made))
        self._go(go, what, "build", *flags, PACKAGES[name])
        self.into.mkdir(parents=True, exist_ok=True)
        beside = self.into / f".{name}.new"
        shutil.move(made, beside)
        beside.rename(self.into / name)

    def _go(self, go: Path, what: str, *arguments: str) -> None:
        log = Progress(self.progress, what, self.work / "build.log")
        run_long((str(go), *arguments), log, cwd=self.work / "module", env=self._environment(go))

    def _environment(self, go: Path) -> dict[str, str]:
        (self.work / "tmp").mkdir(exist_ok=True)
        return {
            **go_errors.registry_settings(),
            "PATH": f"{go.parent}:{PATH}",
            "GOMODCACHE": str(self.modules),
            "GOCACHE": str(self.work / "gocache"),
            "TMPDIR": str(self.work / "tmp"),
            "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }


def our_module(theirs: str, version: Version) -> str:
    """Return the go.mod of our module: Kubernetes', with its staging modules at their published versions."""
    staged = {found["name"] for line in theirs.splitlines() if (found := STAGING.match(line))}
    published = f"v0.{version.minor}.{version.patch}"

    def lines() -> Iterator[str]:
        for line in theirs.splitlines():
            if line.startswith("module "):
                yield "module hairpin.invalid/kubernetes"
            elif found := STAGING.match(line):
                yield f"{found['before']}{found['name']} => {found['name']} {published}"
            elif (found := REQUIRED.match(line)) and found["name"] in staged:
                yield f"{found['before']}{found['name']} {published}{found['after']}"
            else:
                yield line
        yield f"require {KUBERNETES} v{version}"

    return "\n".join(lines()) + "\n"


def stamps(version: Version) -> Iterator[str]:
    """Yield the linker flags that make a program report its version; without them kube-apiserver reports 0.0.0."""
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": version.major,
        "gitMinor": version.minor,
        "gitTreeState": "archive",
    }
    for package in STAMPED:
        for name, value in values.items():
            yield f"-X {package}.{name}={value}"


def pinned(version: Version) -> Iterator[str]:
    """Yield the lines of go.sum that this project keeps for Kubernetes' and its staging modules of a version."""
    published = f"v0.{version.minor}.{version.patch}"
    for line in PINS.read_text(encoding="utf-8").splitlines(keepends=True):
        name, _, rest = line.partition(" ")
        wanted = f"v{version}" if name == KUBERNETES else published
        if rest.split("/", 1)[0].split(" ", 1)[0] == wanted:
            yield line
