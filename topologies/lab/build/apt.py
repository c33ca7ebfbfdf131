"""Packages and sources from the machine's own Debian mirror, fetched by a private apt that installs nothing.

Own lists and cache: the machine's apt state is read (which mirror) and never written. Every file is verified by apt
against the archive's signature (`signed-by` Debian's keyring).

Errors: DebianError (no such repository configured), processes.ProcessError (apt failed).
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
    """The machine's apt knows no repository of the wanted suite; says which it knows and what to do."""


@dataclass(frozen=True, slots=True)
class Debian:
    """A private apt below `home` for one suite. `update` first, then the rest.

    `mirror_of`: the suite whose mirror is asked, where the machine's configuration does not name ours.
    """

    home: Path
    suite: str
    say: Callable[[str], None]
    mirror_of: str = ""

    def update(self) -> None:
        """Write the sources list for the machine's mirror and fetch its index."""
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        where = f"[signed-by={KEYRING}] {mirror(self.mirror_of or self.suite)} {self.suite} main"
        (self.home / "sources.list").write_text(f"deb {where}\ndeb-src {where}\n", encoding="utf-8")
        self._apt("reading the package index", "update", cwd=self.home)

    def download(self, package: str, into: Path) -> Path:
        """Fetch one binary package into a folder; its path."""
        into.mkdir(parents=True, exist_ok=True)
        self._apt(f"fetching {package}", "download", package, cwd=into)
        return max(into.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)

    def newest(self, pattern: str) -> str:
        """The name of the newest package, by the version in its name; DebianError if none has such a name."""
        listed = run(("apt-cache", *self._settings(), "search", "--names-only", f"^{pattern}$")).splitlines()
        names = [line.split(" ", 1)[0] for line in listed]
        if not names:
            message = f"{self.suite} has no package {pattern}"
            raise DebianError(message)
        return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])

    def source(self, package: str, into: Path) -> Path:
        """Fetch, verify and unpack a source package with Debian's patches; the unpacked tree."""
        into.mkdir(parents=True, exist_ok=True)
        self._apt(f"fetching the sources of {package}", "source", package, cwd=into)
        return next(path for path in into.glob(f"{package}-*") if path.is_dir())

    def _apt(self, what: str, *words: str, cwd: Path) -> None:
        self.say(what)
        run_long(
            ("apt-get", "-qq", *self._settings(), *words), Progress(self.say, what, self.home / "apt.log"), cwd=cwd
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
    """The address the machine's own configuration names for a suite; DebianError if it names none."""
    wanted = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    return pick(run(("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")), suite)


def pick(listing: str, suite: str) -> str:
    """The first `address suite main` of an indextargets listing.

    >>> pick("http://mirror.example/debian/ bookworm main", "bookworm")
    'http://mirror.example/debian/'
    """
    targets = [line.split() for line in listing.splitlines() if line.strip()]
    for target in targets:
        if target[1:] == [suite, "main"]:
            return target[0]
    known = ", ".join(sorted({target[1] for target in targets if len(target) > 1})) or "none"
    message = f"apt on this machine has no repository {suite}/main (it knows: {known}): add it, then apt-get update"
    raise DebianError(message)


def upstream(version: str) -> str:
    """The upstream version inside a Debian one: what follows `really`, without the Debian revision.

    >>> upstream("1.20.5+really1.20.2-1.1")
    '1.20.2'
    """
    return re.sub(r"^.*\+really", "", version).split("-", 1)[0].split("+", 1)[0]
