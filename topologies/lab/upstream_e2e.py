"""Run upstream's [sig-network] end-to-end tests against a lab: `python -m topologies.lab.upstream_e2e VERSION`.

The tests are those that need no image but agnhost, busybox, pause and distroless-iptables, for which an image of the
lab stands. LEFT_OUT lists the others, each with the reason. The result is a page, `docs/upstream-e2e.md` (--write).
Output and reports stay in `out/upstream-e2e-VERSION`, also those of a run that was killed.

Source: kubernetes `test/e2e/network`.
"""

# ruff: noqa: T201 - printing is what a command does

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import run
from topologies.lab import lab, teardown_on_exit
from topologies.lab.build import binaries, cluster_dns, container_runtime, e2e
from topologies.lab.build.kubernetes import locked
from topologies.lab.network import plan
from topologies.lab.sandbox import Sandbox
from topologies.lab.state import read
from topologies.lab.upstream_tests import image
from topologies.lab.upstream_tests.page import UpstreamRun, merge
from topologies.lab.upstream_tests.results import UpstreamTest
from topologies.lab.upstream_tests.suite import Suite
from topologies.loading import overrides
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TOPOLOGY = "lab-flannel"
NAME = "upstream-e2e"
NODES, ZONES = 6, ("a", "b", "c")  # tests of traffic distribution need three zones with two nodes each
ZONE_LABEL = "topology.kubernetes.io/zone"
LEFT_OUT = (
    (r"\[Feature:|\[FeatureGate:", "needs a feature that the lab does not have: a cloud's balancer, IPv6, a gate"),
    (r"\[Slow\]", "slow: minutes each"),
    (r"\[Flaky\]", "upstream marks it as flaky"),
    (r"^(?!.*configurable pod DNS nameservers).*\bDNS\b", "asks with dig, which the tests' image does not have"),
    (r"restarting (apiserver|kube-proxy)", "restarts a component through a provider's SSH or static pods"),
    (r"invalid conntrack state", "needs the image regression-issue-74839, a server that sends bad packets"),
    (r"Firewall rule", "for GCE"),
)
CAUSES = {
    "implement NodePort and HealthCheckNodePort correctly": (
        "the client asks its own node's NodePort and reaches a pod on another node (rules R4.2 and R4.7). kube-proxy "
        "masquerades to the address of the interface that the packet leaves by, which is VXLAN's. The test expects the "
        "node's own, as in a network without a tunnel."
    ),
    "rejected for evicted pods": (
        "kubelets of the lab do not measure what pods store, and evict none (localStorageCapacityIsolation: false)."
    ),
    r"pod-Service\(hostNetwork\): udp": "upstream skips it, kubernetes issue 95565.",
    "recreate its iptables rules": "it runs with the providers gce, aws, local and azure only.",
}
"""Why tests fail or are skipped in the lab, by a regular expression of their names."""


def reason_to_leave_out(name: str) -> str:
    """Return why a test is left out; an empty string if it runs."""
    return next((reason for pattern, reason in LEFT_OUT if re.search(pattern, name)), "")


def group_left_out(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the tests that are left out, by reason."""
    found: dict[str, list[str]] = {}
    for name in names:
        if reason := reason_to_leave_out(name):
            found.setdefault(reason, []).append(name)
    return found


@contextmanager
def running_lab(version: Version, listed: Iterable[str]) -> Iterator[Sandbox]:
    """Bring up a lab that is prepared for the tests; remove it at the end, also after `kill -9`.

    Args:
        version: Kubernetes'.
        listed: The images that the tests list.

    Raises:
        HairpinError: It did not come up.

    """
    cache = binaries.cache_dir()
    cluster_dns.release_for(version).make(cache, print)
    declared = {"kubernetes": str(version), "nodes": NODES, "cluster_dns": True}
    topology = overrides.declared(TOPOLOGY, declared).model_copy(update={"name": NAME})
    lab.down(NAME)  # what a run that was killed before `tie` has left
    lab.up(topology)
    try:
        sandbox = Sandbox.find(NAME)
        teardown_on_exit.tie(NAME, read(sandbox.state.record)["began"])
        programs = binaries.find(None, version, cache=cache, progress=print)
        made = image.make_image(programs, sandbox.state.pki, cache, print)
        image.load(sandbox, container_runtime.find(version, cache=cache), made, listed)
        yield sandbox
    finally:
        lab.down(NAME)


def label_zones(sandbox: Sandbox, kubectl: Path) -> None:
    """Give every worker a zone, in turn."""
    for number, worker in enumerate(sandbox.workers()):
        label = f"{ZONE_LABEL}={ZONES[number % len(ZONES)]}"
        kubeconfig = f"--kubeconfig={sandbox.state.kube}/admin.conf"
        run(sandbox.enter_command(plan.CONTROL_PLANE, (str(kubectl), kubeconfig, "label", "node", worker, label)))


def run_tests(suite: Suite, names: Sequence[str]) -> None:
    """Run in a lab the tests that have no result in the suite's directory; note there how long that took."""
    done = {case.name for case in suite.results()}
    missing = [name for name in names if name not in done]
    if not missing:
        return
    listed = run((str(suite.programs / e2e.TESTS), "--list-images")).split()
    with running_lab(suite.version, listed) as sandbox:
        label_zones(sandbox, suite.programs / e2e.KUBECTL)
        suite.serve_internet(sandbox)
        began = monotonic()
        try:
            suite.run(sandbox, missing)
        finally:
            with (suite.folder / "seconds").open("a") as handle:
                handle.write(f"{monotonic() - began:.0f}\n")


def summarize(suite: Suite, names: Sequence[str], left_out: dict[str, list[str]]) -> UpstreamRun:
    """Return the run that the suite's directory has the results of. A test without a result has failed."""
    found = [case for case in suite.results() if case.name in names]
    missing = sorted(set(names) - {case.name for case in found})
    results = [*found, *(UpstreamTest(name, failure=f"no result: see {suite.folder}") for name in missing)]
    noted = suite.folder / "seconds"  # a part that was ended by `kill -9` is not noted
    parts = [int(line) for line in noted.read_text().split()] if noted.exists() else []
    minutes = f"{sum(parts) / 60:.0f} minutes" + (f" in {len(parts)} parts" if len(parts) > 1 else "")
    place = f"topology `{TOPOLOGY}` with {NODES} nodes in {len(ZONES)} zones, {minutes}"
    return UpstreamRun(suite.version, datetime.now(UTC).date(), place, results, left_out, CAUSES)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command's arguments."""
    parser = argparse.ArgumentParser(prog="make upstream-e2e", description=__doc__.splitlines()[0])
    parser.add_argument("version", metavar="VERSION", type=Version.parse)
    parser.add_argument("--list", action="store_true", help="only list the tests, and why each is left out")
    parser.add_argument("--focus", default="", metavar="REGEX", help="run only the tests that match")
    parser.add_argument(
        "--continue", dest="resume", action="store_true", help="keep the results of the last run, which was ended"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the section of this version in a page")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where output is written")
    given = parser.parse_args(arguments)
    if given.write and given.focus:
        parser.error("--write with --focus: got both, want one: a page has all tests")
    return given


def execute(given: argparse.Namespace) -> int:
    """Build the tests, run them, print the result. Return 1 if a test failed."""
    suite = prepare(given)
    names = [name for name in suite.list_tests() if re.search(given.focus, name)]
    chosen = [name for name in names if not reason_to_leave_out(name)]
    print(f"{len(names)} tests, {len(names) - len(chosen)} left out")
    if given.list:
        print(*(f"{name}  # {reason_to_leave_out(name) or 'runs'}" for name in names), sep="\n")
        return 0
    if not chosen:
        message = f"tests of Kubernetes {given.version}: got none that match {given.focus!r} and run. Try --list"
        raise HairpinError(message)
    run_tests(suite, chosen)
    done = summarize(suite, chosen, group_left_out(names))
    print(done.section())
    if given.write:
        write(given.write, done)
    return int(any(case.failure for case in done.results))


def prepare(given: argparse.Namespace) -> Suite:
    """Build the tests unless the cache has them, and empty the run's directory unless it is to be continued."""
    folder = (given.out / f"{NAME}-{given.version}{'-focus' if given.focus else ''}").absolute()
    if not given.resume and not given.list:
        shutil.rmtree(folder, ignore_errors=True)
    return Suite(given.version, e2e.make(given.version, binaries.cache_dir(), print), folder)


def write(path: Path, done: UpstreamRun) -> None:
    """Write the section of the run's version in a page."""
    pages = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(merge(pages, done.version, done.section()).lstrip(), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Run the command; one at a time, because its lab and its output have one name."""
    given = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab is removed
    try:
        with locked(binaries.cache_dir() / f"{NAME}.lock", print):
            return execute(given)
    except HairpinError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
