"""Small programs that report a Kubernetes version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write_program(path: Path, version: str) -> Path:
    """Write a program that prints a version, whatever its arguments are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
    path.chmod(0o755)
    return path


def write_programs(directory: Path, names: Iterable[str], version: str) -> Path:
    """Write programs of one version into a directory; return it."""
    for name in names:
        write_program(directory / name, version)
    return directory
