"""A lock for each lab name that tests of several files use, since files are tested side by side."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold_lab_name(name: str) -> Iterator[None]:
    """Wait until no other test holds this name, and hold it while the body runs."""
    with FileLock(Path(tempfile.gettempdir()) / f"hairpin-tests-{name}.lock"):
        yield
