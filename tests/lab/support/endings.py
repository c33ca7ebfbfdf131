"""Runs of pytest inside a small lab: started, watched while they ask, and ended."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.lab.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

NAME = "test-endings"
NAMESPACES = "/api/v1/namespaces"
ASKED = re.compile(r"^\S+: \d+ cells, \d+ attempts: ", re.MULTILINE)


@dataclass
class Ran:
    """A run of pytest inside the lab that has ended."""

    code: int
    out: str
    err: str
    seconds: float
    folder: Path

    @property
    def first(self) -> str:
        """The first line that pytest prints at the end."""
        return next((line for line in self.out.splitlines() if line.strip(".FE \n") and "[" not in line[:1]), "")

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.out[-3000:]}\n{self.err[-2000:]}"


def stderr_of(out: Path) -> Path:
    """The file that a run writes its progress to, so that a test may read it while the run goes on."""
    return out.with_name(f"{out.name}.stderr")


@dataclass
class Place:
    """A lab of two workers."""

    topology: Path

    def start(self, out: Path, *more: str, **env: str) -> subprocess.Popen[str]:
        sandbox = Sandbox.find(NAME)
        command = [sys.executable, "-m", "pytest", "-q", f"--topology={self.topology}", f"--out={out}", *more]
        with stderr_of(out).open("w") as said:
            return subprocess.Popen(
                sandbox.enter_command("cp", command),
                cwd=ROOT,
                env=sandbox.environment() | env,
                text=True,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )

    def ran(self, out: Path, *more: str, **env: str) -> Ran:
        return self.ended(self.start(out, *more, **env), out)

    def ended(self, process: subprocess.Popen[str], out: Path, began: float | None = None) -> Ran:
        began = monotonic() if began is None else began
        printed, _ = process.communicate(timeout=300)
        return Ran(process.returncode, printed, stderr_of(out).read_text(), monotonic() - began, out / "last")

    def lived(self, out: Path, *more: str) -> tuple[Ran, float]:
        """A run, and the seconds from its namespace's creation to its deletion."""
        process, seen = self.start(out, *more), []
        while process.poll() is None:
            seen += [monotonic()] if self.left() else []
            sleep(0.2)
        return self.ended(process, out), seen[-1] - seen[0] if seen else 0.0

    def namespaces(self) -> dict[str, str]:
        """The runs' namespaces by name, and their phase."""
        listed: Any = api(NAME, "GET", f"{NAMESPACES}?labelSelector=app.kubernetes.io/managed-by=hairpin")
        return {one["metadata"]["name"]: one["status"]["phase"] for one in listed["items"]}

    def leased(self) -> bool:
        """Whether a run has its Lease."""
        listed: Any = api(NAME, "GET", "/apis/coordination.k8s.io/v1/leases")
        return bool({one["metadata"]["namespace"] for one in listed["items"]} & self.left())

    def left(self) -> set[str]:
        return {name for name, phase in self.namespaces().items() if phase != "Terminating"}

    def hairpin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        sandbox = Sandbox.find(NAME)
        command = sandbox.enter_command("cp", [sys.executable, "-m", "hairpin", *arguments])
        return subprocess.run(command, cwd=ROOT, env=sandbox.environment(), text=True, capture_output=True, check=False)


def deployed(place: Place, process: subprocess.Popen[str]) -> None:
    """Wait until the run has its namespace, and the Lease in it: without one, `clean` spares it for an hour."""
    while process.poll() is None and not place.leased():
        sleep(0.1)


def asking(process: subprocess.Popen[str], out: Path) -> None:
    """Wait until a vantage has been asked: others go on, and cells without an answer are asked once more."""
    while process.poll() is None and not ASKED.search(stderr_of(out).read_text()):
        sleep(0.02)
