"""transfers.py against output that came back damaged, and the lines that different curls print."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from probes.asking import curl, transfers
from probes.asking.batch import ATTEMPTS_MAX
from probes.asking.classify import UnclearError, attempt
from probes.asking.curl import Ask, Transfer
from probes.asking.vantages.base import OUTPUT_MAX, TornError, UnusableError
from probes.observation import Outcome
from tests.unit.support.servers import LOOPBACK
from topologies.frontends import Target

MARK = "@@hairpin-0123456789abcdef"
RECORD = (
    MARK
    + "\thttp://10.0.0.1:80/echo?msg=00ff00ff00ff00ff.{id}\t{code}\t{status}\t0\t0.1\t\t0\t\t0\t1\t{size}\t{message}\n"
)
TARGET = Target(LOOPBACK, 80)
ASK = [Ask(TARGET)]
ECHO = "10.0.0.7:4000HTTP/1.1 200 OK\r\n\r\nweb-a"


def record(attempt_id: str = "0.1", code: object = 28, size: int = 0, message: str = "") -> str:
    return RECORD.format(id=attempt_id, code=code, status=200, size=size, message=message)


def output(*records: str, code: int = 0, bodies: str = "", banner: str = "") -> bytes:
    printed = "".join(records)
    return f"{banner}\n{MARK}-begin\n{printed}{MARK}-end {code}\n{MARK}-bodies\n{bodies}.\n{MARK}-done\n".encode()


def read(printed: bytes, asks: list[Ask] | None = None, *, partial: bool = False) -> list[list[Transfer]]:
    return transfers.read(printed, asks or ASK, MARK, partial=partial)


def test_a_message_may_hold_quotes_and_tabs() -> None:
    [[transfer]] = read(output(record(message='said "this"\tand that')))

    assert transfer.message == 'said "this"\tand that'


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (output(record()).rpartition(b"@@")[0], "no end mark"),
        (output(record())[:60], "no end mark"),
        (output(record()[:40] + "\n"), "cannot be read"),
        (output(), "reported 0 attempts, want 1"),
        (output(record() * 2), "reported 2 attempts, want 1"),
        (output(record("7.1")), "was not asked"),
        (output(record(code="-")), "cannot be read"),
        (output(record(code="\u0667")), "no end mark|reason"),
    ],
)
def test_torn_output_is_never_read_as_an_outcome(damaged: bytes, why: str) -> None:
    if "reason" in why:
        [[transfer]] = read(damaged)
        with pytest.raises(UnclearError, match="did not report why"):
            attempt(transfer)
        return
    with pytest.raises(TornError, match=why):
        read(damaged)


def test_another_mark_is_no_report() -> None:
    forged = record(code=0).replace("0123456789abcdef", "fedcba9876543210")

    with pytest.raises(TornError, match="reported 0 attempts"):
        read(output(forged))


def test_noise_of_a_login_is_skipped() -> None:
    [[transfer]] = read(output(record(), banner="Welcome!\n@@hairpin\t\nLast login: x") + b"logout\n")

    assert transfer.exit_code == 28


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(UnusableError, match="grep is missing"):
        read(f"\n{MARK}-begin\n{MARK}-missing grep\n".encode())


def test_a_curl_that_cannot_run_is_quoted() -> None:
    with pytest.raises(UnusableError, match="ended 127: curl: error while loading shared libraries"):
        read(output("curl: error while loading shared libraries: libcurl.so.4\n", code=127))


@pytest.mark.parametrize(
    "printed",
    [
        output("curl: option --parallel-immediate: is unknown\n", code=2),
        output("curl: unknown --write-out variable: 'exitcode'\n", record(code="")),
    ],
)
def test_an_old_curl_is_known_by_what_it_lacks(printed: bytes) -> None:
    with pytest.raises(transfers.OutdatedError, match="does not know"):
        read(printed)


def test_attempts_that_curl_did_not_report_are_lost_alone() -> None:
    [first, second] = read(output(record(), code=139), [Ask(TARGET), Ask(TARGET, 2)], partial=True)

    assert [one.lost for one in first] == [""]
    assert [one.lost for one in second] == ["curl ended 139 before it reported this attempt"] * 2


LONG = "x" * 2000
NONCE = "00ff00ff00ff00ff"
NOT_FOUND = "its answer could not be distinguished from others of the same batch"
HEADER = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"


def labelled(number: int, body: str = ECHO) -> str:
    return f"{NONCE}.{number}.1{HEADER}{body}"


def answered(number: int, size: int) -> str:
    return record(f"{number}.1", code=0, size=size)


AROUND = {"nothing": "", "short": "<html>" * 3, "long": LONG, "labelled": labelled(7)}


@pytest.mark.parametrize("before", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("after", AROUND.values(), ids=AROUND)
def test_a_body_is_found_by_its_label_whatever_is_around_it(before: str, after: str) -> None:
    records = [answered(0, len(labelled(0))), answered(1, len(before + after))]
    [[found], [other]] = read(output(*records, bodies=before + labelled(0) + after), [Ask(TARGET)] * 2)

    assert (attempt(found).outcome, attempt(found).backend) == (Outcome.OK, "web-a")
    assert attempt(other).outcome is Outcome.WRONG_BACKEND


@pytest.mark.parametrize("shift", range(1, 14))
def test_an_order_that_the_sizes_only_seem_to_confirm_gives_nobody_the_body_of_another(shift: int) -> None:
    # `shift` bytes written beyond those that curl counted, and as many counted later that were never written:
    # by their order, each echo would lack its first bytes and end with those of the next one
    bodies = "a" * shift + labelled(1) + labelled(2) + "b"
    records = [answered(0, 0), *(answered(number, len(labelled(number))) for number in (1, 2))]
    records.append(record("3.1", code=28, size=1 + shift))
    [[first], *echoes, _] = read(output(*records, bodies=bodies), [Ask(TARGET)] * 4)

    assert [attempt(one).source for [one] in echoes] == [IPv4Address("10.0.0.7")] * 2
    assert [attempt(one).backend for [one] in echoes] == ["web-a"] * 2
    assert attempt(first).outcome is Outcome.WRONG_BACKEND


NO_ECHOES = {
    "nothing": "",
    "no label": ECHO,
    "another's label": labelled(5),
    "its label twice": labelled(0) * 2,
    "another's label after it": labelled(0) + labelled(5),
    "no header": f"{NONCE}.0.1{ECHO}",
    "something before its label": "xyz" + labelled(0),
    "another status": labelled(0).replace(" 200 ", " 404 "),
}


@pytest.mark.parametrize("body", NO_ECHOES.values(), ids=NO_ECHOES)
def test_an_answer_without_its_label_at_the_start_is_no_echo(body: str) -> None:
    records = [answered(0, len(body)), answered(1, len(labelled(1)))]
    [[found], [honest]] = read(output(*records, bodies=body + labelled(1)), [Ask(TARGET)] * 2)

    assert attempt(found).outcome is Outcome.WRONG_BACKEND
    assert attempt(honest).outcome is Outcome.OK


@pytest.mark.parametrize("kept", [0, 10, 40, len(labelled(0)) - 1])
def test_a_body_of_which_bytes_are_missing_is_lost(kept: int) -> None:
    [[found]] = read(output(answered(0, len(labelled(0))), bodies=labelled(0)[:kept]))

    assert found.lost == NOT_FOUND


def test_a_server_that_is_no_echo_is_quoted() -> None:
    records = [answered(0, len(labelled(0))), answered(1, 7)]
    [_, [other]] = read(output(*records, bodies=labelled(0) + "welcome"), [Ask(TARGET)] * 2)

    assert attempt(other).message == "HTTP 200, not an echo: 'welcome'"


@pytest.mark.parametrize("kept", [1, 25, 80])
def test_a_body_that_is_cut_off_at_the_limit_is_lost(kept: int) -> None:
    # round 27 of the fuzz of hostile answers: `head` ended the stream within an honest body, which curl wrote whole
    asks = [Ask(TARGET)] * 2
    body = labelled(0)
    records = [record("1.1", code=23, size=100_000), answered(0, len(body))]
    bodies = "x" * (curl.bodies_max(asks) - kept) + body[:kept]
    [[found], [long]] = read(output(*records, bodies=bodies), asks)

    assert found.lost == NOT_FOUND
    assert attempt(long).outcome is Outcome.WRONG_BACKEND


COULD_NOT = "Failed to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server"
COULD_NOT_8 = "Failed to connect to 127.0.0.1 port 80 after 0 ms: Could not connect to server"


@pytest.mark.parametrize(
    ("verbose", "message"),
    [
        # curl 7.75, lib/connect.c: the reason is in the message as well
        ("connect to 127.0.0.1 port 80 failed: {why}", "Failed to connect to 127.0.0.1 port 80: {why}"),
        ("connect to 127.0.0.1 port 80 failed: {why}", "Failed to connect to 127.0.0.1 port 80 after 0 ms: {why}"),
        # 7.88, lib/cf-socket.c
        ("connect to 127.0.0.1 port 80 failed: {why}", COULD_NOT),
        # 8.5, then 8.10 and later
        ("connect to 127.0.0.1 port 80 from 127.0.0.1 port 33000 failed: {why}", COULD_NOT),
        ("connect to 127.0.0.1 port 80 from 127.0.0.1 port 33000 failed: {why}", COULD_NOT_8),
        ("Immediate connect fail for 127.0.0.1: {why}", COULD_NOT_8),
    ],
)
@pytest.mark.parametrize(
    ("why", "outcome"), [("Connection refused", Outcome.REFUSED), ("No route to host", Outcome.UNREACHABLE)]
)
@pytest.mark.parametrize("ids", ["", "[12-x] "])
def test_the_reason_is_read_from_the_lines_of_every_curl(
    verbose: str, message: str, why: str, outcome: Outcome, ids: str
) -> None:
    message = message.format(why=why)
    lines = f"{ids}* {verbose.format(why=why)}\n{ids}* {message}\n"
    [[transfer]] = read(output(lines, record(code=7, message=message)))

    assert (attempt(transfer).outcome, transfer.reason) == (outcome, why)


def test_reasons_that_do_not_fit_their_records_are_nobodys() -> None:
    other = Target(LOOPBACK, 81)
    lines = f"* connect to 127.0.0.1 port 80 failed: Connection refused\n* {COULD_NOT}\n" * 2
    right = f"* connect to 127.0.0.1 port 81 failed: Connection refused\n* {COULD_NOT.replace('80', '81')}\n"
    found = read(
        output(lines, record(code=7, message=COULD_NOT), right, record("1.1", code=7)), [Ask(TARGET), Ask(other)]
    )

    with pytest.raises(UnclearError, match="did not report why it could not connect: Failed to connect"):
        attempt(found[0][0])
    assert attempt(found[1][0]).outcome is Outcome.REFUSED


def test_the_largest_batch_prints_less_than_is_read_back() -> None:
    verbose = (
        f"* connect to 127.0.0.1 port 80 from 127.0.0.1 port 33000 failed: {'Connection refused'}\n* {COULD_NOT}\n"
    )
    attempt_max = len(verbose) + len(record(message="m" * 256))  # CURL_ERROR_SIZE

    assert ATTEMPTS_MAX * attempt_max + curl.bodies_max([Ask(TARGET, ATTEMPTS_MAX)]) < OUTPUT_MAX
