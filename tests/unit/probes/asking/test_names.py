"""Asking by DNS name: what curl reports of a lookup, and when a missing name shows something."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.asking import runner, schedule
from probes.asking.classify import UnclearError, attempt
from probes.asking.curl import PARALLEL_MAX, Transfer
from probes.asking.schedule import NAMES_PARALLEL_MAX
from probes.asking.vantage_run import VantageRun
from probes.observation import Attempt, Observation, Outcome
from probes.plan.plan import plan
from tests.unit.support.paths import ROOT
from tests.unit.support.questions import OK, question
from tests.unit.support.simulated_vantage import SimulatedVantage
from topologies.cluster_state.snapshot import declared
from topologies.frontends import FrontendKind, Target, UnresolvedError, resolve
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DNS = load("lab-dns")
NO_NAME = Attempt(Outcome.NO_NAME, message="Could not resolve host")
# Answers for a.*, knows no nx.*, keeps silent about any other name. Then curl asks each of the names in the arguments.
SERVER = """\
import socket, struct, sys, threading
def serve(server):
    while True:
        query, client = server.recvfrom(2000)
        end = query.index(b"\\0", 12) + 5
        first = query[13 : 13 + query[12]]
        if first not in (b"a", b"nx"): continue
        record = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 30, 4) + socket.inet_aton("127.0.0.1")
        found = first == b"a"
        header = query[:2] + struct.pack(">HHHHH", 0x8180 if found else 0x8183, 1, found, 0, 0)
        server.sendto(header + query[12:end] + record * found, client)
        print("asked", query[12:end].hex(), file=sys.stderr)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
threading.Thread(target=serve, args=(server,), daemon=True).start()
from probes.asking import classify, curl, transfers
from topologies.common.addresses import IPAddress
from topologies.frontends import Target
asks = [curl.Ask(Target(IPAddress("127.0.0.1"), 9, f"{name}.ns.svc.cluster.local.")) for name in sys.argv[1:]]
batch = curl.compose(asks, 1.0)
import subprocess
output = subprocess.run(batch.command, input=batch.stdin.encode(), stdout=subprocess.PIPE).stdout
for name, (one,) in zip(sys.argv[1:], transfers.read(output, asks, batch.mark)):
    try:
        print(name, classify.attempt(one).outcome)
    except classify.UnclearError as error:
        print(name, error)
"""
IN_NAMESPACES = 'ip link set lo up && mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"'
UNSHARE = ("unshare", "--map-root-user", "--net", "--mount", "sh", "-c", IN_NAMESPACES, "sh")


def transfer(exit_code: int, message: str) -> Transfer:
    return Transfer(exit_code, 0, 0.0, 0.5, "", "", 1, 0, message)


def named(port: int, **changes: object) -> runner.Question:
    plain = question(port, frontend=FrontendKind.DNS_NAME, node="", **changes)  # type: ignore[arg-type] # its own keywords
    return replace(plain, target=Target(plain.target.address, port, f"web-{port}.ns.svc.cluster.local."))


def ask(questions: list[runner.Question], answer: Callable[[Target], Attempt]) -> list[Observation]:
    return list(runner.ask({"pod-n1": questions}, {"pod-n1": SimulatedVantage("pod-n1", answer)}).values())


def test_a_name_that_does_not_exist_is_an_outcome_of_its_own() -> None:
    assert attempt(transfer(6, "Could not resolve host: web.ns.svc.cluster.local.")).outcome is Outcome.NO_NAME


@pytest.mark.parametrize(
    "told",
    [
        transfer(28, "Resolving timed out after 2000 milliseconds"),
        transfer(6, "Could not resolve host: web (Timeout while contacting DNS servers)"),
        transfer(6, "Could not resolve host: web (Could not contact DNS servers)"),
    ],
)
def test_a_dns_server_that_does_not_answer_shows_nothing_of_the_service(told: Transfer) -> None:
    with pytest.raises(UnclearError, match="the DNS server did not answer"):
        attempt(told)


def test_a_connection_that_times_out_is_still_a_timeout() -> None:
    assert attempt(transfer(28, "Connection timed out after 2001 milliseconds")).outcome is Outcome.TIMEOUT


def test_a_missing_name_counts_if_another_name_was_found_from_there() -> None:
    missing, found = ask([named(80), named(81)], lambda target: NO_NAME if target.port == 80 else OK)

    assert (missing.trouble, set(missing.outcomes)) == ("", {Outcome.NO_NAME})
    assert (found.trouble, set(found.outcomes)) == ("", {Outcome.OK})


def test_a_refused_connection_shows_that_its_name_was_found() -> None:
    refused = Attempt(Outcome.REFUSED)
    missing, _ = ask([named(80), named(81)], lambda target: NO_NAME if target.port == 80 else refused)

    assert missing.trouble == ""


def test_missing_names_are_no_result_if_no_name_was_found_from_there() -> None:
    plain = question(90, frontend=FrontendKind.CLUSTER_IP, node="")
    *missing, address = ask([named(80), named(81), plain], lambda target: NO_NAME if target.name else OK)

    assert {one.trouble for one in missing} == {
        "pod-n1: no name was found in DNS from here, so the cluster's DNS may not be reachable"
    }
    assert address.trouble == ""


def test_names_are_asked_in_a_phase_of_their_own_with_few_lookups_at_a_time() -> None:
    run = VantageRun(SimulatedVantage("pod-n1", lambda _: OK), [question(80), named(81), named(82, limited=True)])
    found = {phase.name: [step for step in phase.steps(run) if step.requests] for phase in schedule.phases([run])}

    (plain,), (by_name,) = found["sample"], found["names"]
    assert [request.question.target.port for request in plain.requests] == [80]
    assert [request.question.target.port for request in by_name.requests] == [81]
    assert (plain.max_parallel, by_name.max_parallel) == (PARALLEL_MAX, NAMES_PARALLEL_MAX)
    assert [request.question.target.port for request in found["first attempts"][0].requests] == [82]


def test_a_name_is_absolute_and_has_the_namespace_of_the_run() -> None:
    cell = next(cell for cell in plan(DNS).cells if cell.frontend.kind is FrontendKind.DNS_NAME)
    target = resolve(cell.frontend, DNS, replace(declared(DNS), namespace="hairpin-x"))

    assert str(target) == "web.hairpin-x.svc.cluster.local.:80"
    with pytest.raises(UnresolvedError, match="declares no cluster_dns"):
        resolve(cell.frontend, DNS.model_copy(update={"cluster_dns": None}), declared(DNS))


def test_curl_reports_each_kind_of_lookup(tmp_path: Path) -> None:
    """Run the real curl with a DNS server of its own, in namespaces without any other network."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5\n")
    probe = subprocess.run([*UNSHARE, str(resolver), "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no namespaces here: {probe.stderr.decode()[:100]}")
    argv = [*UNSHARE, str(resolver), sys.executable, "-c", SERVER, "a", "nx", "silent"]
    done = subprocess.run(argv, capture_output=True, check=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})

    assert re.sub("after [0-9]+ milli", "after N milli", done.stdout).splitlines() == [
        "a refused",
        "nx no-such-name",
        "silent the DNS server did not answer, so there was no connection: Resolving timed out after N milliseconds",
    ]
    assert done.stderr.count("asked") == 2  # one query for each name: no search list, no IPv6
