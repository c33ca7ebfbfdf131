"""Build Kubernetes' programs from the Go modules of a release: any version that the module registry serves.

A module of ours requires `k8s.io/kubernetes` at the version. Kubernetes' own go.mod replaces its staging modules by
directories that its module does not contain; ours replaces them by the modules that are published for the same release
(`v0.34.4` for 1.34.4). The other versions are those of Kubernetes' go.mod and the checksums those of its go.sum.

The modules and Go's build cache (3 GB) live in `cache/kubernetes/<version>.modules` until every program is built.

Source: `hack/lib/version.sh` and `staging/README.md` of Kubernetes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.lab.build.go_module import PINS, building_in
from topologies.lab.build.kubernetes import TARGETS
from topologies.lab.build.program_files import find_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from topologies.lab.build.go_module import GoModule
    from topologies.schema.topology import Version

KUBERNETES = "k8s.io/kubernetes"
PACKAGES = {target.rsplit("/", 1)[1]: f"{KUBERNETES}/{target}" for target in (*TARGETS, "cmd/kubectl")}
PACKAGES["e2e.test"] = f"{KUBERNETES}/test/e2e"  # a test binary
STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
STAGING = re.compile(r"(?P<before>\s*(?:replace\s+)?)(?P<name>k8s\.io/[\w.-]+)(?:\s+v\S+)?\s+=>\s+\./staging/\S+")
REQUIRED = re.compile(r"(?P<before>\s*(?:require\s+)?)(?P<name>k8s\.io/[\w.-]+)\s+v0\.0\.0\b(?P<after>.*)")


@dataclass(frozen=True, slots=True)
class ModuleBuild:
    """One build of programs of a Kubernetes version: in `work`, resumable; the programs go to `into`."""

    version: Version
    work: Path
    into: Path
    programs: Sequence[str]
    progress: Callable[[str], None]

    def run(self) -> None:
        """Build the programs that `into` does not have whole, and delete the modules and Go's cache.

        Raises:
            BuildError: Go is missing or too old, the registry does not serve a module, no network, or no room.

        """
        flags = f"-s -w {' '.join(stamps(self.version))}"
        with building_in(self.work, self.progress) as module:
            self._resolve(module)
            for name in self.programs:
                if find_fault(self.into / name):
                    module.build(f"{name} {self.version}", PACKAGES[name], self.into / name, "-ldflags", flags)

    def _resolve(self, module: GoModule) -> None:
        """Download Kubernetes' own module, and write ours from its go.mod and go.sum."""
        go_mod, go_sum = module.download(KUBERNETES, f"v{self.version}")
        module.write(our_module(go_mod, self.version), "".join((go_sum, *pinned(self.version))))


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
