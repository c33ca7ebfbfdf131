"""A kube-proxy that writes no rules ends the run; one that is only late, or cannot be read, does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.asking.vantages.base import Completed, UnusableError, at_once
from probes.lifecycle import contradictions, first_sync
from probes.lifecycle.first_sync import wait_for_first_sync
from topologies.cluster.api import ClusterError
from topologies.cluster_state.proxy_facts import BUILD, LAST_SYNC, MODE, ProxyFacts, parse
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SMALL = load("lab-small")
FAILED = "the server could not find the requested resource"
LISTED = f"failed to list *v1.EndpointSlice: {FAILED}"
LOG = f"""\
I1126 08:00:00.000000      77 server.go:650] "Version info" version="v1.24.17"
E1126 08:00:01.123456      77 reflector.go:140] "Failed to watch" err="failed to list *v1.Service: an earlier one"
E1126 08:00:02.123456      77 reflector.go:140] "Failed to watch" err="failed to list *v1.EndpointSlice: {FAILED}"
E1126 08:00:02.223456      77 metrics_linux.go:67] "failed to collect nfacct counter" err="object not found"
E1126 08:00:02.323456      77 reflector.go:140] "Failed to watch" err="failed to list *v1.ServiceCIDR: forbidden"
I1126 08:00:03.000000      77 x.go:1] waiting
"""


def printed(last_sync: str) -> bytes:
    build = 'kubernetes_build_info{git_version="v1.24.17"} 1'
    return f"{MODE}\niptables\n{BUILD}\n{build}\n{LAST_SYNC} {last_sync}\n".encode()


class Host:
    """A node's network that prints these in turn, the last one for ever; None cannot be asked."""

    name = "host"

    def __init__(self, *outputs: bytes | None) -> None:
        self.outputs = list(outputs)

    def run(
        self, command: Sequence[str], stdin: str, timeout: float, gate: Callable[[], object] = at_once
    ) -> Completed:
        del command, stdin, timeout, gate
        output = self.outputs.pop(0) if len(self.outputs) > 1 else self.outputs[0]
        if output is None:
            message = "gone"
            raise UnusableError(message)
        return Completed(output)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_sync, "FIRST_SYNC_S", 0.2)


def wait(hosts: Mapping[str, Host], logs: Path | None = None, first: str = "0") -> list[str]:
    lines: list[str] = []
    found = [parse(node, printed(first)) for node in hosts]
    wait_for_first_sync(SMALL, found, hosts, lines.append, logs)
    return lines


def test_a_kube_proxy_that_has_written_rules_is_not_asked_again() -> None:
    assert wait({"n1": Host(None)}, first="1.7641e+09") == []


def test_a_kube_proxy_that_is_late_is_waited_for() -> None:
    lines = wait({"n1": Host(printed("1.7641e+09")), "n2": Host(printed("1.7641e+09"))})

    assert lines == ["waiting: kube-proxy of n1, n2 has written no rules yet"]


def test_a_kube_proxy_that_can_no_longer_be_read_ends_no_run() -> None:
    assert len(wait({"n1": Host(None), "n2": Host(b"")})) == 1


def test_a_kube_proxy_without_rules_ends_the_run_with_the_error_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "n2.kube-proxy.log").write_text(LOG)

    with pytest.raises(ClusterError) as error:
        wait({"n1": Host(printed("1.7641e+09")), "n2": Host(printed("0"))}, tmp_path)
    message = str(error.value)
    assert message.startswith(f"kube-proxy of n2: got no rules ({LAST_SYNC} at http://127.0.0.1:10249/metrics has no ")
    assert "kube-proxy is v1.24.17, the API server 1.20.2." in message
    assert message.endswith(f'Its last error: reflector.go:140] "Failed to watch" err="{LISTED}"')
    assert "\n" not in message


def test_without_a_log_the_command_that_shows_it_is_named(tmp_path: Path) -> None:
    for logs in (None, tmp_path):
        with pytest.raises(ClusterError, match="See its log: kubectl -n kube-system logs -l k8s-app=kube-proxy"):
            wait({"n1": Host(printed("0"))}, logs)


def test_a_kube_proxy_that_fails_its_health_check_is_a_note() -> None:
    facts = ProxyFacts("n1", mode="iptables", unhealthy='{"nodeEligible": false}')

    found = contradictions.compare_proxies(SMALL, [facts])
    assert not found.contradictions
    assert 'kube-proxy of n1: http://127.0.0.1:10256/healthz returns 503: {"nodeEligible": false}' in found.notes
