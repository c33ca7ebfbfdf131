"""A module of ours in which Go builds programs of other modules.

Modules and Go's build cache live below the build's directory until it is discarded, so that an interrupted build
resumes. Of the user's settings of Go only those that decide where modules come from are used.

Source: `go help mod`, `go help environment`.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError
from topologies.lab.build import go_errors
from topologies.lab.build.kubernetes import check_room
from topologies.lab.build.long_commands import PATH, Progress, run_long
from topologies.lab.ownership import claim, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PINS = resources.files("topologies.lab.build") / "checksums.txt"


@contextmanager
def building_in(work: Path, progress: Callable[[str], None]) -> Iterator[GoModule]:
    """Give a module to build in. At the end its directory is deleted; if the build fails it stays, to resume there.

    Args:
        work: The directory of the build.
        progress: Receives the progress.

    Raises:
        BuildError: Go is missing or too old, the registry does not serve a module, no network, or no room.

    """
    module = GoModule(work, go_errors.find_go(), progress)
    claim(work)
    check_room(work)
    try:
        yield module
    except ProcessError as error:
        raise go_errors.explain(str(error), work) from error
    discard(work)


def pinned_lines(name: str, version: str) -> list[str]:
    """Return the lines of go.sum that this project keeps for a module: `v2.2.9` and `v2.2.9/go.mod`."""
    lines = PINS.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.startswith((f"{name} {version} ", f"{name} {version}/"))]


@dataclass(frozen=True, slots=True)
class GoModule:
    """A module below `work`, and the Go that builds in it."""

    work: Path
    go: Path
    progress: Callable[[str], None]

    @property
    def modules(self) -> Path:
        """GOMODCACHE of this build."""
        return self.work / "modules"

    def download(self, name: str, version: str) -> tuple[str, str]:
        """Download a module.

        Args:
            name: Its path.
            version: Such as v1.34.4.

        Returns:
            Its go.mod and its go.sum.

        Raises:
            BuildError: It requires a newer Go.
            ProcessError: Go failed.

        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self.run(f"downloading {name} {version}", "mod", "download", f"{name}@{version}")
        go_mod = (self.modules / "cache/download" / name / "@v" / f"{version}.mod").read_text("utf-8")
        go_errors.check_version(self.go, go_errors.GoVersion.required(go_mod))
        return go_mod, (self.modules / f"{name}@{version}" / "go.sum").read_text("utf-8")

    def write(self, go_mod: str, go_sum: str, sources: Mapping[str, str] | None = None) -> None:
        """Write the module. `sources`: its own Go files by name, if it has a package of ours."""
        for name, text in {"go.mod": go_mod, "go.sum": go_sum, **(sources or {})}.items():
            (self._folder / name).write_text(text, encoding="utf-8")

    def build(self, what: str, package: str, program: Path, *flags: str) -> None:
        """Build one program, and move it to its place when it is complete.

        Args:
            what: Of the progress: `kubelet 1.34.4`.
            package: Its path; that of a package of tests if the program's name ends in `.test`.
            program: Its place.
            flags: More of `go build`'s.

        Raises:
            ProcessError: Go failed.

        """
        self.progress(f"building {what}")
        made = self.work / "bin" / program.name
        made.parent.mkdir(exist_ok=True)
        verb = ("test", "-c") if program.suffix == ".test" else ("build",)
        self.run(f"building {what}", *verb, "-trimpath", *flags, "-o", str(made), package)
        program.parent.mkdir(parents=True, exist_ok=True)
        beside = program.with_name(f".{program.name}.new")
        shutil.move(made, beside)
        beside.rename(program)

    def run(self, what: str, *arguments: str) -> None:
        """Run Go in the module.

        Args:
            what: Of the progress.
            arguments: Go's.

        Raises:
            ProcessError: Go failed.

        """
        log = Progress(self.progress, what, self.work / "build.log")
        run_long((str(self.go), *arguments), log, cwd=self._folder, env=self._environment())

    @property
    def _folder(self) -> Path:
        return self.work / "module"

    def _environment(self) -> dict[str, str]:
        (self.work / "tmp").mkdir(exist_ok=True)
        return {
            **go_errors.registry_settings(),
            "PATH": f"{self.go.parent}:{PATH}",
            "GOMODCACHE": str(self.modules),
            "GOCACHE": str(self.work / "gocache"),
            "TMPDIR": str(self.work / "tmp"),
            "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
