"""Build upstream's end-to-end tests of a Kubernetes version, `e2e.test`, and the kubectl that they run.

1.20.2 is built from Debian's sources with Debian's Go, as the lab's programs are; any other version from Go modules.
The programs are kept beside the lab's own in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.lab.build.binaries import complaints, place
from topologies.lab.build.kubernetes import PACKAGED, KubernetesBuild, locked
from topologies.lab.build.modules import ModuleBuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.schema.topology import Version

TESTS = "e2e.test"
KUBECTL = "kubectl"
TARGETS = (f"test/e2e/{TESTS}", f"cmd/{KUBECTL}")


def make(version: Version, cache: Path, progress: Callable[[str], None]) -> Path:
    """Build the tests of a version unless the cache has them, and return their directory.

    Raises:
        BuildError: A prerequisite, a module or room is missing.
        ProcessError: The build failed.

    """
    kept = place(version, cache)
    with locked(kept.with_name(f"{version}.e2e.lock"), progress):
        if complaints(kept, (TESTS, KUBECTL)):
            work = kept.with_name(f"{version}.e2e")
            if version == PACKAGED:
                KubernetesBuild(version, work, kept, progress, TARGETS).run()
            else:
                ModuleBuild(version, work, kept, (KUBECTL, TESTS), progress).run()
    return kept
