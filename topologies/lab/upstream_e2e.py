"""Run upstream's [sig-network] end-to-end tests against a lab: `python -m topologies.lab.upstream_e2e VERSION`.

The tests are those that need no image but agnhost, pause and busybox, for which the lab's images stand. LEFT_OUT lists
the others, each with the reason. The result is a page, `docs/upstream-e2e.md` (--write).

Source: kubernetes `test/e2e/network`, `test/e2e/framework/test_context.go`.
"""

# ruff: noqa: T201 - printing is what a command does

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from topologies.common.subprocesses import Child, run, start, wait
from topologies.lab import lab
from topologies.lab.build import binaries, e2e, images
from topologies.lab.network import plan
from topologies.lab.sandbox import Sandbox
from topologies.lab.worker.node import SOCKET
from topologies.loading import overrides
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOPOLOGY = "lab-flannel"
FOCUS = r"\[sig-network\]"
GINKGO_2 = Version(1, 25)  # the first version whose tests use it: other names of flags
AT_ONCE = 4
INTERNET_PORT = 3128  # of the server that answers http://google.com, which some tests ask first
OWN_ADDRESSES = "198.18.0.0/15,10.0.0.0/8,127.0.0.0/8,localhost"
SHARD_S = 2400
BY_NAME = "connects to a Service by its name: the lab has no cluster DNS"
BY_NC = "sends datagrams with nc -u: busybox has no such nc"
LEFT_OUT = (
    (r"\[Feature:|\[FeatureGate:", "needs a feature that the lab does not have: a cloud's balancer, IPv6, a gate"),
    (r"\[Slow\]", "slow: minutes each"),
    (r"\[Flaky\]", "upstream marks it as flaky"),
    (r"\bDNS\b", "the lab has no cluster DNS"),
    (r"(have|switch) session affinity|no endpoints|unready pods|hairpin back", BY_NAME),
    (r"change the type|functioning NodePort service|but different protocols", BY_NAME),
    (r"restarting (apiserver|kube-proxy)", "restarts a component through a provider's SSH or static pods"),
    (r"proxy through a service and a pod", "needs the certificate in upstream's image of agnhost"),
    (r"(node-Service|node-pod communication|nodePort): udp|preserve UDP", BY_NC),
    (r"service endpoints using hostNetwork", BY_NC),
    (
        r"CLOSE_WAIT",
        "needs conntrack in the image debian-iptables: tests/lab/verdicts/test_likeness.py has the timeout",
    ),
    (r"Firewall rule", "for GCE"),
)
NAMES = {"pause": images.PAUSE, **dict.fromkeys(("agnhost", "busybox"), images.AGNHOST)}
"""The image of the lab that stands for upstream's image of a name."""


@dataclass(frozen=True, slots=True)
class UpstreamTest:
    """One test of a report: `failure` is its cause in one line; `skipped` is whether it skipped itself."""

    name: str
    failure: str = ""
    skipped: bool = False


def reason_to_leave_out(name: str) -> str:
    """Return why a test is left out; an empty string if it runs."""
    return next((reason for pattern, reason in LEFT_OUT if re.search(pattern, name)), "")


def shards(names: Iterable[str], count: int) -> list[list[str]]:
    """Return the tests in groups of which each runs alone: `count` at once, then the disruptive ones."""
    ordered = sorted(names)
    alone = [name for name in ordered if re.search(r"\[Serial\]|\[Disruptive\]", name)]
    beside = [name for name in ordered if name not in alone]
    return [beside[number::count] for number in range(count)] + [alone]


def read_report(path: Path) -> list[UpstreamTest]:
    """Return the tests of a JUnit report by Ginkgo that ran or skipped themselves, not those out of focus."""
    found = []
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - written by the tests that we started
        name = str(case.get("name")).removeprefix("[It] ")
        failure, skipped = case.find("failure"), case.find("skipped")
        if not name.startswith("[sig-"):
            continue  # set-up and tear-down of the suite
        if failure is not None:
            found.append(UpstreamTest(name, _cause(failure)))
        elif skipped is None or skipped.get("message", "") not in {"", "skipped"} or (skipped.text or "").strip():
            found.append(UpstreamTest(name, skipped=skipped is not None))
    return found


def _cause(failure: ET.Element) -> str:
    """Return the last line of a failure that is no place in the source, at most 300 characters."""
    text = f"{failure.get('message') or ''}\n{failure.text or ''}"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not re.match(r"\s*(/|goroutine)", line)]
    return " ".join(lines)[:300]


def alias_images(sandbox: Sandbox, listed: Sequence[str]) -> None:
    """Give the lab's images the names of upstream's on every worker."""
    for image in listed:
        short = image.rsplit("/", 1)[-1].partition(":")[0]
        for worker in sandbox.workers() if short in NAMES else ():
            tag = ("ctr", "--address", SOCKET, "--namespace", "k8s.io", "images", "tag", "--force", NAMES[short], image)
            run(sandbox.enter_command(worker, tag))


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of a version and the running lab that they are run against."""

    version: Version
    programs: Path
    sandbox: Sandbox
    folder: Path

    def serve_internet(self) -> Child:
        """Start what answers for the Internet, as an HTTP proxy of the tests: they ask it for one page, from cp."""
        argv = [
            str(self.programs / "agnhost"),
            "netexec",
            f"--http-port={INTERNET_PORT}",
            f"--udp-port={INTERNET_PORT}",
        ]
        command = self.sandbox.enter_command(plan.CONTROL_PLANE, argv)
        return start(command, self.folder / "internet", env=self.sandbox.environment())

    def list_tests(self) -> list[str]:
        """Return the names of all tests of the area."""
        dry = "-ginkgo.dry-run" if self.version >= GINKGO_2 else "-ginkgo.dryRun"
        place = self.folder / "dry"
        wait(self.begin(place, FOCUS, dry), SHARD_S)
        return [case.name for path in place.glob("*.xml") for case in read_report(path)]

    def run_all(self, names: Sequence[str]) -> list[UpstreamTest]:
        """Run the tests, several processes at once, and return their results. A test without a result has failed."""
        *beside, alone = shards(names, AT_ONCE)
        for number, group in enumerate((beside, [alone])):
            places = [self.folder / f"{number}-{index}" for index in range(len(group))]
            started = [self.begin(place, _exactly(each)) for place, each in zip(places, group, strict=True) if each]
            for process in started:
                if wait(process, SHARD_S) is None:
                    process.kill()
        found = [case for path in sorted(self.folder.glob("[01]-*/*.xml")) for case in read_report(path)]
        missing = set(names) - {case.name for case in found}
        return found + [UpstreamTest(name, "no result") for name in sorted(missing)]

    def begin(self, place: Path, focus: str, *more: str) -> Child:
        """Start the tests that match on the API server's host; their output and report go to a directory."""
        place.mkdir()
        colour = "-ginkgo.no-color" if self.version >= GINKGO_2 else "-ginkgo.noColor"
        argv = [
            *(str(self.programs / e2e.TESTS), f"-ginkgo.focus={focus}", colour, *more),
            *("--provider=skeleton", f"--kubeconfig={self.sandbox.state.kube}/admin.conf", f"--report-dir={place}"),
            *(f"--kubectl-path={self.programs / e2e.KUBECTL}", "--disable-log-dump", "--delete-namespace=true"),
        ]
        command = self.sandbox.enter_command(plan.CONTROL_PLANE, argv)
        environment = {
            **self.sandbox.environment(),
            "HTTP_PROXY": f"http://127.0.0.1:{INTERNET_PORT}",
            "NO_PROXY": OWN_ADDRESSES,
        }
        return start(command, place / "output", env=environment, cwd=place)


def _exactly(names: Iterable[str]) -> str:
    return "|".join(re.escape(name.strip()) for name in names)


def page(version: Version, results: Sequence[UpstreamTest], left_out: Sequence[str], seconds: float) -> str:
    """Return the result as a Markdown section."""
    failed = [case for case in results if case.failure]
    skipped = [case for case in results if case.skipped]
    passed = [case for case in results if not case.failure and not case.skipped]
    lines = [f"## {version}", "", f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped by themselves, "]
    lines[-1] += f"{len(left_out)} left out. {seconds / 60:.0f} minutes, topology `{TOPOLOGY}`."
    for title, names in (
        ("Failed", [f"{case.name}: {case.failure}" for case in failed]),
        ("Skipped by themselves", [case.name for case in skipped]),
        ("Passed", [case.name for case in passed]),
    ):
        lines += ["", f"### {title}", "", *(f"- {' '.join(name.split())}" for name in sorted(names))] if names else []
    lines += ["", "### Left out", ""]
    for reason in dict.fromkeys(reason for _, reason in LEFT_OUT):
        if count := sum(reason_to_leave_out(name) == reason for name in left_out):
            lines.append(f"- {count}: {reason}")
    return "\n".join(lines) + "\n"


def merge(pages: str, version: Version, section: str) -> str:
    """Return the page of all versions with one version's section replaced, or added at the end."""
    older = re.compile(rf"(?ms)^## {re.escape(str(version))}\n.*?(?=^## |\Z)")
    if older.search(pages):
        return older.sub(lambda _: f"{section}\n", pages, count=1).rstrip() + "\n"
    return f"{pages.rstrip()}\n\n{section}"


def main(arguments: Sequence[str]) -> int:
    """Build the tests, bring up the lab, run them, print the result, remove the lab."""
    parser = argparse.ArgumentParser(prog="make upstream-e2e", description=__doc__.splitlines()[0])
    parser.add_argument("version", metavar="VERSION", type=Version.parse)
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the section of this version in a page")
    given = parser.parse_args(arguments)
    cache = binaries.cache_dir()
    programs = e2e.make(given.version, cache, print)
    listed = run((str(programs / e2e.TESTS), "--list-images")).split()
    topology = overrides.declared(TOPOLOGY, {"kubernetes": str(given.version)})
    topology = topology.model_copy(update={"name": "upstream-e2e"})
    lab.up(topology)
    try:
        with TemporaryDirectory(prefix="hairpin-e2e-") as folder:
            place = Path(os.environ.get("HAIRPIN_E2E_KEEP", folder))
            suite = Suite(given.version, programs, Sandbox.find(topology.name), place)
            alias_images(suite.sandbox, listed)
            internet = suite.serve_internet()
            names = suite.list_tests()
            left_out = [name for name in names if reason_to_leave_out(name)]
            print(f"{len(names)} tests, {len(left_out)} left out")
            began = monotonic()
            results = suite.run_all([name for name in names if name not in left_out])
            internet.kill()
    finally:
        lab.down(topology.name)
    text = page(given.version, results, left_out, monotonic() - began)
    print(text)
    if given.write:
        pages = given.write.read_text(encoding="utf-8") if given.write.exists() else ""
        given.write.write_text(merge(pages, given.version, text).lstrip(), encoding="utf-8")
    return int(any(case.failure for case in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
