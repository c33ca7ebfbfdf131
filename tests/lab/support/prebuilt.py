"""`python -m tests.lab.support.prebuilt` builds what the live tests need and is not in the cache yet.

That is Kubernetes 1.20.2, the guest's kernel and the newest Kubernetes: half an hour of two processors. `make test`
starts it, and a run of the live tests, too. It gets only the processor time that the tests leave. Whoever needs a build
before it is done waits for its lock.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.truth.rows import NEWEST
from tests.unit.support.paths import ROOT
from topologies.common.errors import HairpinError
from topologies.lab.build import binaries, container_runtime, kubernetes
from topologies.lab.guest import build
from topologies.lab.guest.ipvs_support import missing_modules
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AUTOGROUP = Path("/proc/self/autogroup")


@contextmanager
def in_background() -> Iterator[None]:
    """Build while the body runs; what is not ready by then is not needed, and ends. A later run resumes it."""
    command = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "tests.lab.support.prebuilt"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield
        finally:
            child.terminate()


def main() -> None:
    """Build one after the other. A build that fails here fails again, and is told, in the test that needs it."""
    yield_processors()
    for make in (make_packaged, make_kernel, make_newest):
        try:
            make(tell)
        except (HairpinError, OSError) as error:
            tell(str(error))


def yield_processors() -> None:
    """Run only when nothing else wants to: SCHED_IDLE, and least among sessions, which get equal shares (sched(7))."""
    with suppress(PermissionError):  # we lead a session already
        os.setsid()
    with suppress(OSError):  # a kernel without autogroups
        AUTOGROUP.write_text("19")
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def make_packaged(progress: Callable[[str], None]) -> None:
    """The Kubernetes of nearly all labs."""
    binaries.make(kubernetes.PACKAGED, kubernetes.NEEDED, binaries.cache_dir(), progress)


def make_kernel(progress: Callable[[str], None]) -> None:
    """The guest's kernel, where this machine's has no IPVS."""
    if missing_modules():
        build.find_or_build(binaries.cache_dir(), progress)


def make_newest(progress: Callable[[str], None]) -> None:
    """The newest Kubernetes that the project tests, and the containerd that its kubelet wants."""
    version, cache = Version.parse(NEWEST), binaries.cache_dir()
    binaries.make(version, binaries.RELEASED, cache, progress)
    if not container_runtime.installed_serves(version):
        container_runtime.make(cache, progress)


def tell(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
