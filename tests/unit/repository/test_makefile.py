"""`make setup` installs what the code says it needs."""

from __future__ import annotations

import re

from tests.unit.support.paths import ROOT
from topologies.lab import requirements
from topologies.lab.build import kubernetes
from topologies.lab.guest import build as guest

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ESSENTIAL = {"dpkg", "tar", "util-linux"}  # on every Debian


def test_every_needed_package_is_installed() -> None:
    listed = re.search(r"^DEBIAN := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert listed is not None
    modes = [packages for programs in requirements.FOR_MODE.values() for packages in programs.values()]
    needed = {
        *requirements.PROGRAMS.values(),
        *kubernetes.PREREQUISITES.values(),
        *guest.PREREQUISITES.values(),
        *modes,
    }

    assert needed - set(listed[1].replace("\\", "").split()) <= ESSENTIAL
