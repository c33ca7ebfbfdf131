"""Run upstream's tests of a version against a running lab, a few tests a process, several processes at once.

The processes are in the lab's cgroups: they end with it, whatever happens to this one. A process writes its report when
it ends, so a run that is killed loses the tests of the processes that were running; the results of the others are in
the run's directory, which has one directory a process.

Source: `test/e2e/framework/test_context.go` of Kubernetes; `types/config.go` of Ginkgo 2.32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from topologies.common.subprocesses import enter_cgroups, spawn, wait
from topologies.common.threads import run_all
from topologies.lab.build import e2e
from topologies.lab.build.long_commands import Progress, run_long
from topologies.lab.network import plan
from topologies.lab.upstream_tests.results import AREA, UpstreamTest, read_report
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from topologies.common.subprocesses import Child
    from topologies.lab.sandbox import Sandbox

GINKGO_2 = Version(1, 25)  # the first version whose tests use it: other names of flags
GROUP = 4  # tests a process: each start costs about two seconds
AT_ONCE = 6  # processes: they mostly wait for pods
GROUP_S = 1500
ALONE = re.compile(r"\[Serial\]|\[Disruptive\]|endpoints latency")
INTERNET_PORT = 3128  # of the server that answers http://google.com, which some tests ask first
OWN_ADDRESSES = "198.18.0.0/15,10.0.0.0/8,127.0.0.0/8,localhost"


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of a version, and the directory of a run."""

    version: Version
    programs: Path
    folder: Path

    def list_tests(self) -> list[str]:
        """Return the names of all tests of the area. Needs no cluster, and gets no network.

        Raises:
            ProcessError: `e2e.test` failed.

        """
        place = self.folder / "list"
        place.mkdir(parents=True, exist_ok=True)
        dry = "-ginkgo.dry-run" if self.version >= GINKGO_2 else "-ginkgo.dryRun"
        argv = ("unshare", "--net", "--", *self._command(place, re.escape(AREA), dry))
        run_long(argv, Progress(print, "listing the tests", place / "output"))
        return [case.name for case in _read_all(place)]

    def results(self) -> list[UpstreamTest]:
        """Return the results that the directory has; the last one of each test."""
        return list({case.name: case for case in _read_all(self.folder, "[0-9]*/*.xml")}.values())

    def run(self, sandbox: Sandbox, names: Sequence[str]) -> None:
        """Run tests in the lab: groups of them at once, then those that must run alone."""
        started = max((int(place.name) + 1 for place in self.folder.glob("[0-9]*")), default=0)
        beside, alone = split(names)
        numbered = list(enumerate(beside, start=started))
        progress = _Counter(len(names))

        def run_group(group: tuple[int, list[str]]) -> None:
            self._run_group(sandbox, *group)
            progress.count(len(group[1]))

        run_all(run_group, numbered, AT_ONCE)
        for group in enumerate(alone, start=started + len(beside)):
            run_group(group)

    def _run_group(self, sandbox: Sandbox, number: int, names: list[str]) -> None:
        place = self.folder / f"{number:03}"
        place.mkdir()
        kubeconfig = f"--kubeconfig={sandbox.state.kube}/admin.conf"
        child = self.start(sandbox, self._command(place, exactly(names), kubeconfig), place / "output")
        if wait(child, GROUP_S) is None:
            child.kill()
            child.wait()

    def serve_internet(self, sandbox: Sandbox) -> Child:
        """Start what answers for the Internet, as an HTTP proxy of the tests: they ask it for one page, from cp."""
        ports = [f"--http-port={INTERNET_PORT}", f"--udp-port={INTERNET_PORT}"]
        return self.start(sandbox, [str(self.programs / "agnhost"), "netexec", *ports], self.folder / "internet")

    def start(self, sandbox: Sandbox, argv: Sequence[str], output: Path) -> Child:
        """Start a command on the API server's host, in the lab's cgroups."""
        environment = {
            **sandbox.environment(),
            "HTTP_PROXY": f"http://127.0.0.1:{INTERNET_PORT}",
            "NO_PROXY": OWN_ADDRESSES,
        }
        command = sandbox.enter_command(plan.CONTROL_PLANE, argv)
        return spawn(enter_cgroups(sandbox.command_groups(), command), output, env=environment)

    def _command(self, place: Path, focus: str, *more: str) -> list[str]:
        """Return the command that runs the tests that match; their report goes to a directory."""
        colour = "-ginkgo.no-color" if self.version >= GINKGO_2 else "-ginkgo.noColor"
        return [
            *("env", f"--chdir={place}", str(self.programs / e2e.TESTS), f"-ginkgo.focus={focus}", colour, *more),
            *("--provider=skeleton", f"--report-dir={place}", f"--kubectl-path={self.programs / e2e.KUBECTL}"),
            *("--disable-log-dump", "--delete-namespace=true"),
        ]


class _Counter:
    """Prints how many tests have ended."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ended = 0
        self.lock = Lock()

    def count(self, number: int) -> None:
        with self.lock:
            self.ended += number
            print(f"{self.ended} of {self.total} tests have ended", flush=True)  # noqa: T201 - a command's progress


def _read_all(folder: Path, pattern: str = "*.xml") -> list[UpstreamTest]:
    return [case for path in sorted(folder.glob(pattern)) for case in read_report(path)]


def split(names: Iterable[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the tests in groups, each for one process: those that run beside each other, and those that run alone."""
    ordered = sorted(names)
    alone = [name for name in ordered if ALONE.search(name)]
    beside = [name for name in ordered if name not in alone]
    count = -(-len(beside) // GROUP)
    return [beside[number::count] for number in range(count)], [[name] for name in alone]


def exactly(names: Iterable[str]) -> str:
    r"""Return the focus that matches these tests and no test whose name begins with one of theirs.

    >>> exactly(["[sig-network] A [B]"])
    '(?:\\[sig\\-network\\]\\ A\\ \\[B\\])\\s*$'
    """
    return rf"(?:{'|'.join(re.escape(name.strip()) for name in names)})\s*$"
