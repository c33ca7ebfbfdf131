"""A vantage that runs out of something of its own: its cells are in trouble, and none counts as unreachable."""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl, runner
from probes.asking.vantage_run import Limits, VantageRun
from tests.unit.support.questions import question
from tests.unit.support.servers import LocalVantage, hanging

if TYPE_CHECKING:
    from probes.asking.batch import ProbeRequest

OPEN_FILES = 64
SPARE_PORTS = 200


@pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit (util-linux) lowers the limit of open files")
def test_a_vantage_with_too_few_open_files_is_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curl, "ANSWER_TIME", 1.0)
    with hanging() as target:
        asked = replace(question(80, sample=300), target=target)
        [seen] = runner.ask({"here": [asked]}, {"here": LocalVantage(f"prlimit --nofile={OPEN_FILES} sh")}).values()

    assert seen.trouble.startswith("here: ")


def test_a_host_without_a_free_client_port_is_in_trouble() -> None:
    with hanging() as target, ExitStack() as held:
        ports = curl.Ports()
        start = ports.take(SPARE_PORTS) + SPARE_PORTS
        for port in range(start, start + SPARE_PORTS):
            taken = held.enter_context(socket.socket())
            with suppress(OSError):
                taken.bind(("0.0.0.0", port))  # noqa: S104 - the port is taken at every address
                taken.listen()
        run = VantageRun(LocalVantage(), [replace(question(80, sample=5), target=target)], ports)
        requests: list[ProbeRequest] = run.sample()
        run.probe(requests, Limits(1.0))
        [seen] = run.observations().values()

    assert "curl ended 45, which is no evidence about the network" in seen.trouble
    assert seen.attempts == ()
