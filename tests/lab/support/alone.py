"""A lab whose name tests of several files use: one of them at a time, where files are tested side by side."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the name of a lab."""
    with FileLock(Path(tempfile.gettempdir()) / f"hairpin-tests-{name}.lock"):
        yield
