"""Hostile answers: through the reader alone, and through a real curl beside honest servers."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from probes.asking import curl, transfers
from probes.asking.batch import ClientHost, ProbeRequest, Question, run_batch
from probes.asking.classify import UnclearError, attempt
from probes.asking.curl import Ask, Transfer
from probes.asking.vantages.base import OUTPUT_MAX, TornError, UnusableError
from probes.observation import Outcome
from tests.fuzz.bounds import MEMORY_MB, Memory, in_time, rounds
from tests.unit.probes.asking.test_hostile import CELL, HONEST, REFUSED, BoundedVantage, meaning
from tests.unit.support.hostile import ANSWERS, ECHO, FORGED, LABELLED, OK, hostile
from tests.unit.support.servers import LOOPBACK, closed, echo
from topologies.frontends import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.unit.support.hostile import Step

MARK = "@@hairpin-0123456789abcdef"
ASKS = [Ask(Target(LOOPBACK, 1000 + number), 3) for number in range(6)]
HOSTILE_PER_BATCH = 200
BATCH_S = 60.0  # seconds for a batch of connections and its second one, on a machine that is busy

ODD = [
    b"\0",
    b"\xff",
    b"\r",
    b"\n",
    b"\t",
    b"\r\n\r\n",
    "\u0669".encode(),
    b"999.1.1.1:80",
    b"[::1]:80",
    b"-1",
    b" ",
    b"::",
]
HEADERS = [
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, odd\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Connection: keep-alive\r\n",
    b"Location: http://127.0.0.1:1/\r\n",
    b"X-Odd: " + b"a" * 50_000 + b"\r\n",
    b"X-Odd: a\0b\r\n",
    b"\r" * 20 + b"\n",
    b" folded\r\n",
    FORGED.replace(b"\n", b"\r\n"),
]
STATUS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 302 F\r\n",
    b"HTTP/1.1 103 E\r\n\r\n" + OK,
    b"HTTP/9 1\r\n",
    b"",
]
BODIES = [
    ECHO,
    ECHO * 3,
    LABELLED,
    LABELLED * 3,
    FORGED,
    b"<html>" * 300,
    b"<html>" * 1_000,
    bytes(900),
    b"",
    b"5\r\nhello\r\n0\r\n\r\n",
]


def seeded(seed: int) -> random.Random:
    return random.Random(seed)


def mutated(chance: random.Random, text: bytes) -> bytes:
    """Change the text in one to four places: a byte, a piece gone, a piece twice, something odd put in."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + text[min(to, at + 200) :]
        elif kind == 2:
            text = text[:to] + text[at : min(to, at + 200)] + text[to:]
        else:
            text = text[:at] + chance.choice(ODD) + text[at:]
    return text


def record(chance: random.Random, number: int, attempt_number: int, body: bytes, label: str) -> bytes:
    code = chance.choice([0, 0, 0, 7, 23, 27, 28, 42, 52, 56, 63])
    path = f"echo?msg={label}.{number}.{attempt_number}"
    message = f"Failed to connect to 127.0.0.1 port {1000 + number} after 0 ms: Couldn't connect to server"
    fields = (f"http://127.0.0.1:{1000 + number}/{path}", code, 200, 0.1, 0.2, "127.0.0.1", 1, "127.0.0.1", 2, 1)
    line = "\t".join(map(str, (MARK, *fields, len(body), message))) + "\n"
    why = f"* connect to 127.0.0.1 port {1000 + number} failed: Connection refused\n* {message}\n" if code == 7 else ""
    return (why + line).encode()


def printed(chance: random.Random) -> bytes:
    """What a batch prints, with bodies that are echoes or mutated ones."""
    label = "00ff00ff00ff00ff"
    reports, bodies = b"", b""
    for number, ask in enumerate(ASKS):
        for attempt_number in range(1, ask.times + 1):
            head = f"{label}.{number}.{attempt_number}".encode() + OK + b"\r\n" if chance.random() < 0.9 else b""
            body = head + (ECHO if chance.random() < 0.5 else mutated(chance, chance.choice(BODIES)))
            reports, bodies = reports + record(chance, number, attempt_number, body, label), bodies + body
    begin, end = f"\n{MARK}-begin\n".encode(), f"{MARK}-end 0\n{MARK}-bodies\n".encode()
    return begin + reports + end + bodies + f".\n{MARK}-done\n".encode()


def test_mutated_output_of_curl_is_torn_or_read(memory: Memory) -> None:
    read = 0
    for seed in rounds(10_000):
        chance = seeded(seed)
        output = printed(chance)
        with in_time(), suppress(TornError, UnusableError):
            output = output if chance.random() < 0.2 else mutated(chance, output)
            found = transfers.read(output, ASKS, MARK, partial=chance.random() < 0.5)
            read += 1
            assert [len(ones) for ones in found] == [ask.times for ask in ASKS]
            for one in (one for ones in found for one in ones):
                meaning(one)

    assert read > len(rounds(10_000)) / 20
    assert memory.peak_mb() < MEMORY_MB


def test_hostile_bodies_have_a_meaning() -> None:
    for seed in rounds(10_000):
        chance = seeded(seed)
        body = mutated(chance, chance.choice([ECHO, ECHO, *BODIES]))
        code = chance.choice([0, 0, 0, *range(101)])
        with in_time(), suppress(UnclearError):
            found = attempt(
                Transfer(code, 200, 0.1, 0.2, "", "", 1, len(body), chance.choice(["", "chunk", "x"]), body)
            )
            assert found.outcome is not Outcome.OK or (code == 0 and found.source and found.backend)


def answer(seed: int) -> Iterable[Step]:
    """One hostile answer; some are slow, endless, reset or cut."""
    chance = seeded(seed)
    if chance.random() < 0.1:
        return ANSWERS[chance.choice([name for name in ANSWERS if "100 MB" not in name])]()
    if chance.random() < 0.02:
        return [OK + b"\r\n", *repeat(chance.choice(BODIES) + b"x", 200_000)]
    headers = b"".join(chance.sample(HEADERS, chance.randrange(4)))
    text = chance.choice(STATUS) + headers + b"\r\n" + chance.choice([*BODIES, b"<html>" * 30_000])
    text = mutated(chance, text) if chance.random() < 0.8 else text
    if chance.random() < 0.3:
        at = chance.randrange(len(text) + 1)
        return [text[:at], 0.01, text[at:], *([None] if chance.random() < 0.5 else [])]
    return [text]


def next_answer(seeds: Iterator[int]) -> Iterable[Step]:
    return answer(next(seeds))


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_ten_thousand_hostile_answers_harm_their_own_cells_only(
    monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    monkeypatch.setattr(curl, "ANSWER_TIME", 4.0)  # the honest server is Python's, on this busy machine
    ports = curl.Ports()
    for seed in rounds(10_000 // HOSTILE_PER_BATCH):
        numbers = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))
        vantage = BoundedVantage()
        with echo() as good, closed() as nobody, hostile(partial(next_answer, numbers)) as bad, in_time(BATCH_S):
            targets = [good, bad, nobody, good, bad, good]
            wants = [
                ProbeRequest(Question(CELL, target), HOSTILE_PER_BATCH // 2 if target == bad else 20)
                for target in targets
            ]
            found = run_batch(ClientHost(vantage, ports), wants, 2.0)
        seen = [set(map(meaning, ones)) for ones in found]

        honest = [one for one, target in zip(seen, targets, strict=True) if target == good]
        odd = [one for ones, target in zip(found, targets, strict=True) if target == good for one in ones]
        assert honest == [HONEST] * 3, (seed, [one for one in odd if {meaning(one)} != HONEST])
        assert seen[2] == REFUSED, seed
        assert max(vantage.printed) < OUTPUT_MAX

    assert memory.peak_mb() < MEMORY_MB
