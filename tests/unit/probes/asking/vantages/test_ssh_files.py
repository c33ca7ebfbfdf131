"""Files an SSH login reads: one odd byte, one odd file; each ends in one line that says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa

from probes.asking.vantages.base import UnusableError
from probes.asking.vantages.ssh import SshVantage
from probes.asking.vantages.ssh_files import LoginFileError, known_host, private_key
from tests.unit.support.servers import closed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = [paramiko.ECDSAKey.generate(bits=256) for _ in range(2)]
HOST = "198.18.3.100"
LINE = f"{HOST} {KEYS[0].get_name()} {KEYS[0].get_base64()}\n".encode()


@pytest.mark.parametrize(
    "other",
    [
        b"\xff\xfe\n",
        b"h\xf6st ssh-rsa AAAA\n",
        b"other ssh-ed25519 AAAA!\xff\n",
        b"|1|x|y ssh-rsa AAAA\n",
        b"|1|AAAA|BBBB ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n",
        b"@revoked * ssh-rsa AAAA\n@cert-authority *.x ssh-rsa AAAA\n",
        b"\0" * 100 + b"\n",
        HOST.encode() + b" ssh-rsa AAAA\n",
        HOST.encode() + b" ssh-ed25519 \xff\n",
        HOST.encode() + b"\n",
        b"x" * 1_000_000 + b"\n",
    ],
)
def test_a_line_that_cannot_be_read_takes_no_other_with_it(tmp_path: Path, other: bytes) -> None:
    (tmp_path / "known").write_bytes(other + LINE + other)

    assert known_host(tmp_path / "known", HOST).keys == {KEYS[0].get_name(): KEYS[0]}


def test_names_are_matched_as_openssh_writes_them(tmp_path: Path) -> None:
    hashed = paramiko.HostKeys.hash_host("[10.0.0.1]:2222")
    second = f"{KEYS[1].get_name()} {KEYS[1].get_base64()}"
    (tmp_path / "known").write_text(f"{LINE.decode().replace(HOST, f'a,{HOST},b')}{hashed}\t{second} a comment\n")

    assert known_host(tmp_path / "known", HOST).keys == {KEYS[0].get_name(): KEYS[0]}
    assert known_host(tmp_path / "known", "[10.0.0.1]:2222").keys == {KEYS[1].get_name(): KEYS[1]}
    assert known_host(tmp_path / "known", "10.0.0.1").keys == {}


def test_the_lines_of_the_host_that_cannot_be_read_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "known").write_bytes(b"# a comment\n127.0.0.1 ssh-ed25519 AA\xffAA\n")
    paramiko_client = SshVantage("ext", "127.0.0.1", known_hosts=tmp_path / "known")
    paramiko_client._known = known_host(tmp_path / "known", "127.0.0.1")

    why = paramiko_client._why(paramiko.SSHException("Server '127.0.0.1' not found in known_hosts"))
    assert "127.0.0.1 is not in " in why
    assert "(lines that cannot be read: 2)" in why


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unreadable(path: Path) -> None:
    path.symlink_to(path)


def dsa_key(path: Path) -> None:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    path.write_bytes(dsa.generate_private_key(1024).private_bytes(*form))  # noqa: S505 - it is to be refused


def encrypted(path: Path) -> None:
    KEYS[0].write_private_key_file(str(path), password="secret")  # noqa: S106 - a test's


def encrypted_by_openssh(path: Path) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen on this machine")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path], check=True)


def cut(path: Path) -> None:
    KEYS[0].write_private_key_file(str(path))
    path.write_bytes(path.read_bytes()[:90])


FILES: list[tuple[Callable[[Path], object], str]] = [
    (folder, r"the SSH key is no file: \S+key"),
    (pipe, r"the SSH key is no file: \S+key"),
    (unreadable, r"the SSH key cannot be opened: \S+key: Too many levels"),
    (lambda _: None, r"the SSH key cannot be opened: \S+key: No such file"),
    (
        lambda path: path.write_bytes(b""),
        r"the SSH key cannot be read: \S+key: got an empty file, want an OpenSSH or PEM",
    ),
    (
        lambda path: path.write_bytes(b"\xff\0" * 50),
        r"the SSH key cannot be read: \S+key: got 100 bytes that begin b'\\xff",
    ),
    (lambda path: path.write_text("ssh-ed25519 AAAA me"), r"the SSH key cannot be read: .* begin b'ssh-ed25519"),
    (cut, r"the SSH key cannot be read"),
    (dsa_key, r"the type of the SSH key is not supported: \S+key\. Use an ed25519"),
    (encrypted, r"the SSH key is encrypted: \S+key\. Add it to an agent"),
    (encrypted_by_openssh, r"the SSH key is encrypted"),
]


@pytest.mark.parametrize(("make", "why"), FILES)
def test_a_bad_key_is_said_in_one_line_before_anything_is_asked(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(tmp_path / "key")

    with pytest.raises(LoginFileError, match=why):
        private_key(tmp_path / "key")
    with closed() as nobody, pytest.raises(UnusableError, match=rf"^ssh root@127\.0\.0\.1:\d+: {why}") as raised:
        SshVantage("ext", "127.0.0.1", port=nobody.port, key=tmp_path / "key").run(["true"], "", 5)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (folder, "the SSH known_hosts is no file"),
        (pipe, "the SSH known_hosts is no file"),
        (lambda path: path.write_bytes(b"x" * (16 * 1024 * 1024 + 1)), "the SSH known_hosts is too long"),
    ],
)
def test_a_known_hosts_that_is_none_is_said_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(tmp_path / "known")

    with closed() as nobody, pytest.raises(UnusableError, match=why):
        SshVantage("ext", "127.0.0.1", port=nobody.port, known_hosts=tmp_path / "known").run(["true"], "", 5)


def test_a_host_name_that_is_none_is_said_in_one_line() -> None:
    with pytest.raises(UnusableError, match=r"ssh root@x{100}.*: (the login failed|host unknown)"):
        SshVantage("ext", "x" * 100).run(["true"], "", 5)


def test_a_broken_ssh_config_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_bytes(b"Host \xff\0\nProxyCommand false\nBogus")
    monkeypatch.setenv("HOME", str(tmp_path))

    with closed() as nobody, pytest.raises(UnusableError, match="cannot be connected to"):
        SshVantage("ext", "127.0.0.1", port=nobody.port).run(["true"], "", 5)
