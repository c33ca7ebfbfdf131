"""Files that are no programs of this machine: each is one line that names the file, what was got, and what to do."""

from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

import pytest

from topologies.lab.build.program_files import MACHINES, BinariesError, find_fault, report_version

OWN = MACHINES[platform.machine()]


def elf(machine: int = OWN, *, promised: int = 4096, size: int = 4096, order: str = "<", bits: int = 2) -> bytes:
    """Return the bytes of an ELF file with one segment of `promised` bytes, cut at `size`."""
    ident = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2, 1]) + bytes(9)
    if bits == 2:
        header = struct.pack(f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, 0, 0, promised, promised, 4096)
    else:
        header = struct.pack(f"{order}HHIIIIIHHHHHH", 2, machine, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
        segment = struct.pack(f"{order}IIIIIIII", 1, 0, 0, 0, promised, promised, 5, 4096)
    return (ident + header + segment).ljust(promised, b"\0")[:size]


def program(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_a_real_program_and_a_script_are_programs(tmp_path: Path) -> None:
    assert find_fault(Path(sys.executable).resolve()) is None
    assert find_fault(program(tmp_path / "script", b"#!/bin/sh\n")) is None
    assert find_fault(program(tmp_path / "elf", elf())) is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "got an empty file, want a program. Download it again"),
        (b"<?xml version='1.0'?>", "got a file that begins with b\"<?xml version='1.0'?>\", want a program."),
        (b"kubelet\n", "got a file that begins with b'kubelet\\n', want a program."),
        (elf(size=4), "got 4 bytes of a program that is cut short, want all of it."),
        (elf(size=63), "got 63 bytes of a program that is cut short, want all of it."),
        (elf(size=100), "got 100 bytes of a program that is cut short, want all of it."),
        (elf(promised=5000, size=4999), "got 4,999 bytes of a program that is cut short, want 5,000."),
        (elf(OWN ^ 1), f"got a program for machine {OWN ^ 1}, want {platform.machine()}."),
        (elf(22, order=">"), "got a program for s390x, want "),
        (elf(40, bits=1), "got a program for armv7l, want "),
        (b"\x7fELF\x07" + bytes(100), "bytes of a program that is cut short"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    assert fault in (find_fault(program(tmp_path / "kubelet", content)) or "")


def test_a_release_of_another_machine_is_refused_before_it_runs(tmp_path: Path) -> None:
    other = next(name for name in ("aarch64", "x86_64") if name != platform.machine())
    path = program(tmp_path / "kubelet", elf(MACHINES[other]))

    with pytest.raises(BinariesError) as error:
        report_version(path)
    assert str(error.value) == f"{path}: got a program for {other}, want {platform.machine()}. Download that one."


def test_a_program_that_prints_no_version_is_refused(tmp_path: Path) -> None:
    path = program(tmp_path / "kubelet", b"#!/bin/sh\necho ok\n")

    with pytest.raises(BinariesError, match=r"version of .*/kubelet: got 'ok', want a Kubernetes version"):
        report_version(path)


def test_a_directory_is_no_program(tmp_path: Path) -> None:
    assert "got no file, want a program" in (find_fault(tmp_path) or "")
