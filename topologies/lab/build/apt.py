"""Fetch packages and sources from the machine's own Debian mirror, with a private apt that installs nothing.

It has lists and a cache of its own. The machine's apt configuration is only read, for the mirror. apt verifies every
file against the archive's signature (`signed-by` Debian's keyring).

Source: `apt-get(8)` indextargets, `sources.list(5)` signed-by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import run
from topologies.lab.build.long_commands import Progress, run_long

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebianError(HairpinError):
    """The machine's apt has no repository of a suite, or the suite has no such package."""


@dataclass(frozen=True, slots=True)
class Debian:
    """A private apt below `home` for one suite. Call `update` first.

    `mirror_of` is another suite whose mirror to use, for a suite that the machine's configuration does not have.
    """

    home: Path
    suite: str
    progress: Callable[[str], None]
    mirror_of: str = ""

    def update(self) -> None:
        """Write the sources list for the machine's mirror and fetch its index."""
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        where = f"[signed-by={KEYRING}] {mirror(self.mirror_of or self.suite)} {self.suite} main"
        (self.home / "sources.list").write_text(f"deb {where}\ndeb-src {where}\n", encoding="utf-8")
        self._apt("reading the package index", "update", cwd=self.home)

    def download(self, package: str, into: Path) -> Path:
        """Fetch one binary package into a folder and return its path."""
        into.mkdir(parents=True, exist_ok=True)
        self._apt(f"fetching {package}", "download", package, cwd=into)
        return max(into.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)

    def newest(self, pattern: str) -> str:
        """Return the package with the highest version in its name.

        Raises:
            DebianError: No package's name matches.

        """
        listed = run(("apt-cache", *self._settings(), "search", "--names-only", f"^{pattern}$")).splitlines()
        names = [line.split(" ", 1)[0] for line in listed]
        if not names:
            message = f"package index of {self.suite}: got no package {pattern}, want one"
            raise DebianError(message)
        return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])

    def source(self, package: str, into: Path) -> Path:
        """Fetch, verify and unpack a source package with Debian's patches; return the path of the tree."""
        into.mkdir(parents=True, exist_ok=True)
        self._apt(f"fetching the sources of {package}", "source", package, cwd=into)
        return next(path for path in into.glob(f"{package}-*") if path.is_dir())

    def _apt(self, what: str, *words: str, cwd: Path) -> None:
        self.progress(what)
        run_long(
            ("apt-get", "-qq", *self._settings(), *words), Progress(self.progress, what, self.home / "apt.log"), cwd=cwd
        )

    def _settings(self) -> list[str]:
        settings = (
            f"Dir::Etc::sourcelist={self.home}/sources.list",
            "Dir::Etc::sourceparts=/dev/null",
            f"Dir::State::Lists={self.home}/lists",
            f"Dir::Cache={self.home}/cache",
            "APT::Sandbox::User=root",
            "APT::Update::Error-Mode=any",
        )
        return [f"-o{setting}" for setting in settings]


def mirror(suite: str) -> str:
    """Return the URL of the mirror that the machine's apt configuration has for a suite.

    Raises:
        DebianError: It has none.

    """
    wanted = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    return pick(run(("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")), suite)


def pick(listing: str, suite: str) -> str:
    """Return the URL of the first line `URL suite main` of an indextargets listing.

    >>> pick("http://mirror.example/debian/ bookworm main", "bookworm")
    'http://mirror.example/debian/'
    """
    targets = [line.split() for line in listing.splitlines() if line.strip()]
    for target in targets:
        if target[1:] == [suite, "main"]:
            return target[0]
    known = ", ".join(sorted({target[1] for target in targets if len(target) > 1})) or "none"
    message = f"repository {suite}/main: got {known} in this machine's apt, want it there. Add it, then apt-get update"
    raise DebianError(message)


def upstream(version: str) -> str:
    """Return the upstream version in a Debian version: what follows `really`, without the Debian revision.

    >>> upstream("1.20.5+really1.20.2-1.1")
    '1.20.2'
    """
    return re.sub(r"^.*\+really", "", version).split("-", 1)[0].split("+", 1)[0]
