"""Mutated known_hosts and private keys: read, skipped by line, or refused in one line."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko

from probes.asking.vantages.base import UnusableError
from probes.asking.vantages.ssh import SshVantage
from probes.asking.vantages.ssh_files import LoginFileError, known_host, private_key
from tests.fuzz.bounds import MEMORY_MB, Memory, in_time, rounds
from tests.fuzz.test_echoes import mutated, seeded
from tests.unit.support.servers import closed

if TYPE_CHECKING:
    from pathlib import Path

KEY = paramiko.ECDSAKey.generate(bits=256)
NAME = "[127.0.0.1]:{port}"


def known_hosts(name: str) -> bytes:
    key = f"{KEY.get_name()} {KEY.get_base64()}"
    hashed = paramiko.HostKeys.hash_host(name)
    return f"# ours\n{name},other {key}\n{hashed} {key} comment\n@revoked * {key}\nh ssh-rsa AAAA\n".encode()


def test_mutated_known_hosts_end_in_one_line(tmp_path: Path, memory: Memory) -> None:
    file = tmp_path / "known"
    with closed() as nobody:
        name = NAME.format(port=nobody.port)
        for seed in rounds(200):
            file.write_bytes(mutated(seeded(seed), known_hosts(name)))
            with in_time():
                assert set(known_host(file, name).keys) <= {KEY.get_name()}
                try:
                    SshVantage("ext", "127.0.0.1", port=nobody.port, known_hosts=file).run(["true"], "", 5)
                except UnusableError as error:
                    assert "cannot be connected to" in str(error)  # noqa: PT017 - which one is the point
    assert memory.peak_mb() < MEMORY_MB


def test_a_line_beside_mutated_ones_is_still_read(tmp_path: Path) -> None:
    file, good = tmp_path / "known", f"here {KEY.get_name()} {KEY.get_base64()}\n".encode()
    for seed in rounds(1000):
        odd = mutated(seeded(seed), known_hosts("there")).replace(b"here", b"there")
        file.write_bytes(odd + b"\n" + good)
        with in_time():
            assert known_host(file, "here").keys == {KEY.get_name(): KEY}


def test_mutated_keys_end_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "key"
    KEY.write_private_key_file(str(file))
    good = file.read_bytes()
    for seed in rounds(1000):
        file.write_bytes(mutated(seeded(seed), good))
        with in_time(), suppress(LoginFileError):
            private_key(file)
