from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from probes.classify import UnclearError, attempt
from probes.curl import Transfer
from probes.observation import Outcome

ECHO = b"198.51.100.7:4000HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n\r\nweb-b"


def transfer(
    exit_code: int = 0, *, body: bytes = b"", reason: str = "", connected: float = 0.0, opened: int = 1
) -> Transfer:
    status = 200 if body else 0
    return Transfer(exit_code, status, connected, 0.5, "", "", opened, len(body), "curl's words", body, reason)


def test_an_echo_tells_source_and_backend() -> None:
    found = attempt(transfer(body=ECHO), scout=True)

    assert (found.outcome, found.source, found.backend) == (Outcome.OK, IPv4Address("198.51.100.7"), "web-b")
    assert found.scout


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (transfer(7, reason="Connection refused"), Outcome.REFUSED),
        (transfer(7, reason="No route to host"), Outcome.UNREACHABLE),
        (transfer(7, reason="Host is unreachable"), Outcome.UNREACHABLE),
        (transfer(7, reason="Network unreachable"), Outcome.UNREACHABLE),
        (transfer(7, reason="Permission denied"), Outcome.UNREACHABLE),
        (transfer(28), Outcome.TIMEOUT),
        (transfer(28, connected=0.001), Outcome.HANG),
        (transfer(52, connected=0.001), Outcome.RESET),
        (transfer(56, connected=0.001), Outcome.RESET),
        (transfer(1, connected=0.001), Outcome.WRONG_BACKEND),
        (transfer(body=b"<html>"), Outcome.WRONG_BACKEND),
        (transfer(body=b"10.0.0.1:5"), Outcome.WRONG_BACKEND),
    ],
)
def test_each_exit_code_has_one_meaning(told: Transfer, outcome: Outcome) -> None:
    found = attempt(told)

    assert (found.outcome, found.backend, found.exit_code) == (outcome, None, told.exit_code)


@pytest.mark.parametrize(
    "told",
    [
        transfer(2),
        transfer(23),
        transfer(7, reason="Cannot assign requested address"),
        transfer(body=ECHO, opened=0),
    ],
)
def test_what_says_nothing_about_the_network_is_no_outcome(told: Transfer) -> None:
    with pytest.raises(UnclearError):
        attempt(told)
