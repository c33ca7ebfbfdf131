"""`python -m tests.lab.support.prebuilt` builds what the live tests need and is not in the cache yet.

That is Kubernetes 1.20.2, the guest's kernel and the newest Kubernetes: half an hour of two processors. `make test` and
`make lab` run it in the background. It gets only the processor time that the tests leave. A test that needs a build
before it is complete waits for the lock of that build, or builds by itself.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.truth.rows import NEWEST
from topologies.common.errors import HairpinError
from topologies.lab.build import binaries, container_runtime, kubernetes
from topologies.lab.guest import build
from topologies.lab.guest.ipvs_support import missing_modules
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable

AUTOGROUP = Path("/proc/self/autogroup")


def main() -> None:
    """Build one after the other. If a build fails here, the test that needs it repeats it and reports the error."""
    yield_processors()
    for make in (make_packaged, make_kernel, make_newest):
        try:
            make(print_progress)
        except (HairpinError, OSError) as error:
            print_progress(str(error))


def yield_processors() -> None:
    """Give this process SCHED_IDLE, and its session the lowest autogroup nice value (sched(7))."""
    with suppress(PermissionError):  # the process leads a session already
        os.setsid()
    with suppress(OSError):  # a kernel without autogroups
        AUTOGROUP.write_text("19")
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def make_packaged(progress: Callable[[str], None]) -> None:
    """Build Kubernetes 1.20.2, which nearly all labs run."""
    binaries.make(kubernetes.PACKAGED, kubernetes.NEEDED, binaries.cache_dir(), progress)


def make_kernel(progress: Callable[[str], None]) -> None:
    """Build the guest's kernel if this machine's kernel has no IPVS."""
    if missing_modules():
        build.find_or_build(binaries.cache_dir(), progress)


def make_newest(progress: Callable[[str], None]) -> None:
    """Build the newest Kubernetes that the project tests, and a containerd that its kubelet accepts."""
    version, cache = Version.parse(NEWEST), binaries.cache_dir()
    binaries.make(version, binaries.RELEASED, cache, progress)
    if not container_runtime.installed_serves(version):
        container_runtime.make(cache, progress)


def print_progress(line: str) -> None:
    """Print a line of progress to stderr."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
