"""Read the files that an SSH login needs: known_hosts and a private key. Opens no connection.

OpenSSH skips a line of known_hosts that it cannot parse, and so does this module; it reads only the lines of the host
that is asked, so that odd bytes elsewhere do no harm. Not read: ~/.ssh/config, `@revoked` and `@cert-authority` lines.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from topologies.common.errors import HairpinError

if TYPE_CHECKING:
    from pathlib import Path

SIZE_MAX = 16 * 1024 * 1024  # bytes of a file


class LoginFileError(HairpinError):
    """A file cannot be used: what it is, where, what was found, what is needed."""


@dataclass(slots=True)
class KnownHost:
    """The keys of one host, by type, and the lines that could not be read."""

    keys: dict[str, paramiko.PKey] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list)


def known_host(path: Path, name: str) -> KnownHost:
    """Return what a known_hosts file holds of the host `name`; nothing if there is no such file.

    Raises:
        LoginFileError: If it is no file, or cannot be opened.

    """
    found = KnownHost()
    if not path.exists():
        return found
    for number, line in enumerate(_bytes(path, "known_hosts").decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            _read_line(text, number, name, found)
    return found


def _read_line(line: str, number: int, name: str, found: KnownHost) -> None:
    try:
        if not any(_is_named(name, pattern) for pattern in line.split(maxsplit=1)[0].split(",")):
            return
        entry = paramiko.hostkeys.HostKeyEntry.from_line(" ".join(line.split()), number)
    except Exception:  # noqa: BLE001 - for one bad line paramiko raises anything from struct.error to AssertionError
        entry = None
    if entry is None or entry.key is None:
        found.unread.append(number)
    else:
        found.keys.setdefault(entry.key.get_name(), entry.key)


def _is_named(name: str, pattern: str) -> bool:
    hashed = pattern.startswith("|1|")
    return paramiko.HostKeys.hash_host(name, pattern) == pattern if hashed else name == pattern


def private_key(path: Path) -> paramiko.PKey:
    """Return the private key in a file.

    Raises:
        LoginFileError: If it is no file, cannot be opened, is encrypted, or is no key of a type paramiko knows.

    """
    data = _bytes(path, "key")
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException) as error:  # TypeError: cryptography, no password given
        message = f"the SSH key is encrypted: {path}. Add it to an agent and leave `key` out, or use a key without one"
        raise LoginFileError(message) from error
    except (paramiko.pkey.UnknownKeyType, UnsupportedAlgorithm) as error:
        message = f"the type of the SSH key is not supported: {path}. Use an ed25519, ecdsa or rsa key"
        raise LoginFileError(message) from error
    except Exception as error:
        begins = f"{len(data)} bytes that begin {data[:20]!r}" if data else "an empty file"
        message = f"the SSH key cannot be read: {path}: got {begins}, want an OpenSSH or PEM private key"
        raise LoginFileError(message) from error


def _bytes(path: Path, what: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            message = f"the SSH {what} is no file: {path}"
            raise LoginFileError(message)
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        message = f"the SSH {what} cannot be opened: {path}: {error.strerror}"
        raise LoginFileError(message) from error
    if len(data) > SIZE_MAX:
        message = f"the SSH {what} is too long: {path}: got more than {SIZE_MAX} bytes"
        raise LoginFileError(message)
    return data
