from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from probes.asking.classify import UnclearError, attempt
from probes.asking.curl import Transfer
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
    ("seen", "message"),
    [
        (b"999.1.1.1:80", "it saw the client as 999.1.1.1:80, want an IPv4 address and a port"),
        (b"1.2.3.4:0", "it saw the client as 1.2.3.4:0"),
        (b"1.2.3.4:65536", "it saw the client as 1.2.3.4:65536"),
        (b"1.2.3:80", "it saw the client as 1.2.3:80"),
        (b"01.2.3.4:80", "it saw the client as 01.2.3.4:80"),
        (b"[::1]:80", "it saw the client as [::1]:80, want an IPv4 address"),
        (b"[::]]:80", "not an echo: '[::]]:80"),
        ("1.2.3.\u0664:80".encode(), "not an echo: '1.2.3.\u0664:80"),
        ("1.2.3.4:8\u0660".encode(), "not an echo"),
    ],
)
def test_a_client_that_is_no_ipv4_address_is_no_echo(seen: bytes, message: str) -> None:
    found = attempt(transfer(body=ECHO.replace(b"198.51.100.7:4000", seen)))

    assert (found.outcome, found.source, found.backend) == (Outcome.WRONG_BACKEND, None, None)
    assert message in found.message


def test_a_mapped_address_is_the_ipv4_address_it_maps() -> None:
    found = attempt(transfer(body=ECHO.replace(b"198.51.100.7", b"[::ffff:10.0.0.1]")))

    assert (found.outcome, found.source) == (Outcome.OK, IPv4Address("10.0.0.1"))


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (Transfer(56, 0, 0.1, 0.5, "", "", 1, 0, "Recv failure: Connection reset by peer"), Outcome.RESET),
        (
            Transfer(56, 200, 0.1, 0.5, "", "", 1, 0, "Too large response headers: 307200 > 300000"),
            Outcome.WRONG_BACKEND,
        ),
        (Transfer(100, 0, 0.1, 0.5, "", "", 1, 0, "Too large"), Outcome.WRONG_BACKEND),
        (Transfer(63, 200, 0.1, 0.5, "", "", 1, 1023, "Exceeded the maximum allowed file size"), Outcome.WRONG_BACKEND),
        (Transfer(28, 200, 0.1, 9.0, "", "", 1, 1024, "Operation timed out"), Outcome.WRONG_BACKEND),
        (Transfer(28, 200, 0.1, 9.0, "", "", 1, 1023, "Operation timed out"), Outcome.HANG),
        (Transfer(28, 0, 0.1, 9.0, "", "", 1, 16, "Operation timed out", quote=b"220 mail"), Outcome.WRONG_BACKEND),
        (Transfer(56, 0, 0.1, 0.5, "", "", 1, 7, "Recv failure: Connection reset by peer"), Outcome.WRONG_BACKEND),
        (Transfer(0, 0, 0.1, 0.5, "", "", 1, 19, "", quote=b"SSH-2.0"), Outcome.WRONG_BACKEND),
        (Transfer(23, 404, 0.1, 0.5, "", "", 1, 0, "Failure writing output"), Outcome.WRONG_BACKEND),
    ],
)
def test_an_answer_that_is_no_echo_is_no_reset_and_no_hang(told: Transfer, outcome: Outcome) -> None:
    assert attempt(told).outcome is outcome


@pytest.mark.parametrize(
    "told",
    [
        transfer(2),
        transfer(23),
        transfer(7, reason="Cannot assign requested address"),
        transfer(body=ECHO, opened=0),
        Transfer(0, 200, 0.1, 0.5, "", "", 1, 99, "", ECHO, lost="cut"),
    ],
)
def test_what_says_nothing_about_the_network_is_no_outcome(told: Transfer) -> None:
    with pytest.raises(UnclearError):
        attempt(told)
