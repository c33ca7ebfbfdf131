"""The real agnhost, as the lab's pods run it, against the parser of its answers."""

from __future__ import annotations

import os
import socket
import subprocess

from probes.asking import curl, transfers
from probes.asking.classify import attempt
from probes.observation import Outcome
from tests.lab.support.settings import PROGRAMS
from tests.unit.support.servers import LOOPBACK, LocalVantage, closed
from topologies.common.waiting import Deadline, until
from topologies.frontends import Target
from topologies.lab.build import binaries
from topologies.loading.load import load


def test_a_real_agnhost_answers_as_the_parser_wants() -> None:
    version = load("lab-small").kubernetes
    agnhost = binaries.find(PROGRAMS, version, cache=binaries.cache_dir(), progress=print).path("agnhost")
    with closed() as http, closed() as udp:
        ports = http.port, udp.port
    command = [str(agnhost), "netexec", f"--http-port={ports[0]}", f"--udp-port={ports[1]}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _not_open(ports[0]), Deadline(10), "agnhost listens")
        asks = [curl.Ask(Target(LOOPBACK, ports[0]), 50)]
        batch = curl.compose(asks, 0.5)
        [found] = transfers.read(LocalVantage().run(batch.command, batch.stdin, 30).stdout, asks, batch.mark)
    finally:
        server.kill()
        server.wait()

    seen = {(one.outcome, one.source, one.backend) for one in map(attempt, found)}
    assert seen == {(Outcome.OK, LOOPBACK, socket.gethostname())}


def _not_open(port: int) -> str:
    with socket.socket() as probe:
        return os.strerror(error) if (error := probe.connect_ex(("127.0.0.1", port))) else ""
