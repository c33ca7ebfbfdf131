"""Program files of Kubernetes: whether a file is a whole program of this machine, and the version that it reports.

A download that broke off, a page that a server sent in its place and a program of another architecture are found by
their first bytes, before anything runs: a program that is cut short may also crash, or hang.

Source: elf(5); `include/uapi/linux/elf-em.h` of Linux.
"""

from __future__ import annotations

import os
import platform
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import ProcessError, run
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MACHINES = {"i686": 3, "ppc64le": 21, "s390x": 22, "armv7l": 40, "x86_64": 62, "aarch64": 183, "riscv64": 243}
MAGIC, SCRIPT = b"\x7fELF", b"#!"
SHOWN = 24  # bytes of a file that is no program
HEADERS = {1: "HHIIIIIHHHHHH", 2: "HHIQQQIHHHHHH"}  # Elf32_Ehdr and Elf64_Ehdr after e_ident
SEGMENTS = {1: "IIIIIIII", 2: "IIQQQQQQ"}  # Elf32_Phdr and Elf64_Phdr
OFFSET_AND_SIZE = {1: (1, 4), 2: (2, 5)}  # p_offset and p_filesz in them
REPORT_S = 20.0  # a program on a cold disk takes one second


class BinariesError(HairpinError):
    """The programs of a Kubernetes version are not available. The message lists what is missing and the next step."""


class Program(NamedTuple):
    """A program file, and the version that it reports."""

    path: Path
    version: Version


class ElfFile(NamedTuple):
    """What an ELF file's headers state of it."""

    machine: int
    size: int
    """The file has at least this many bytes if it is whole."""


def find_fault(path: Path) -> str | None:
    """Return what is wrong with a program file, as `got X, want Y. Next step`; None if it can be started."""
    if not path.is_file():
        return f"got {'no file' if path.exists() else 'no such file'}, want a program. Copy it there"
    if not os.access(path, os.X_OK):
        return f"got a file that is not executable, want a program. Run chmod +x {path}"
    with path.open("rb") as handle:
        first = handle.read(SHOWN)
        if first.startswith(MAGIC):
            return _find_elf_fault(handle)
    if first.startswith(SCRIPT):
        return None
    got = f"a file that begins with {first!r}" if first else "an empty file"
    return f"got {got}, want a program. Download it again"


def _find_elf_fault(handle: BinaryIO) -> str | None:
    size = os.fstat(handle.fileno()).st_size
    try:
        elf = read_elf(handle)
    except struct.error:
        return f"got {size:,} bytes of a program that is cut short, want all of it. Download it again"
    if size < elf.size:
        return f"got {size:,} bytes of a program that is cut short, want {elf.size:,}. Download it again"
    own = platform.machine()
    if own in MACHINES and elf.machine != MACHINES[own]:
        names = {number: name for name, number in MACHINES.items()}
        return f"got a program for {names.get(elf.machine, f'machine {elf.machine}')}, want {own}. Download that one"
    return None


def read_elf(handle: BinaryIO) -> ElfFile:
    """Return what the headers of an ELF file state; struct.error if it ends within them, or has strange ones."""
    handle.seek(len(MAGIC))
    bits, order = handle.read(1)[:1] or b"\0", handle.read(1)
    header = HEADERS.get(bits[0])
    if header is None:
        message = "another word size than 32 and 64 bits"
        raise struct.error(message)
    end = ">" if order == b"\2" else "<"
    handle.seek(16)  # e_ident
    fields = _read(handle, end + header)
    (_, machine, _, _, segments_at, sections_at, _, _, segment_size, segments, section_size, sections, _) = fields
    ends = _segment_ends(handle, (end, bits[0]), segments_at, segment_size, segments)
    return ElfFile(machine, max(*ends, sections_at + sections * section_size))


def _segment_ends(handle: BinaryIO, kind: tuple[str, int], start: int, step: int, count: int) -> Iterator[int]:
    """Yield the offset at which each segment ends in the file; 0 first."""
    yield 0
    order, bits = kind
    offset, size = OFFSET_AND_SIZE[bits]
    for number in range(count):
        handle.seek(start + number * step)
        fields = _read(handle, order + SEGMENTS[bits])
        yield fields[offset] + fields[size]


def _read(handle: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, handle.read(struct.calcsize(form)))


def report_version(program: Path) -> Version:
    """Return the version that a program of Kubernetes prints.

    Raises:
        BinariesError: It does not run, or prints something else.

    """
    if fault := find_fault(program):
        message = f"{program}: {fault}."
        raise BinariesError(message)
    try:
        return Version.parse(run((str(program), "--version"), timeout=REPORT_S).removeprefix("Kubernetes ").strip())
    except (ProcessError, ValueError) as error:
        message = f"version of {program}: {error}. Put another file there"
        raise BinariesError(message) from error
