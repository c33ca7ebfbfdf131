"""Write the section of a version in docs/upstream-e2e.md, and read the counts of all sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from topologies.lab.upstream_tests.results import UpstreamTest
    from topologies.schema.topology import Version

COUNTS = re.compile(
    r"^## (?P<version>\d\S+)\n\n(?P<date>\d+ \w+ \d{4}), .*?: (?P<passed>\d+) passed, (?P<failed>\d+) failed, "
    r"(?P<skipped>\d+) skipped by themselves, (?P<left_out>\d+) left out\.$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class UpstreamRun:
    """One run of a version's tests."""

    version: Version
    day: date
    place: str
    """Where and for how long: `topology lab-flannel, 9 minutes`."""
    results: Sequence[UpstreamTest]
    left_out: Mapping[str, Sequence[str]]
    """The names of the tests that were left out, by reason."""
    causes: Mapping[str, str]
    """The known causes of failures and skips, by a regular expression that a test's name matches."""

    def section(self) -> str:
        """Return the result as a Markdown section."""
        failed = [f"{case.name}: {case.failure}{self._cause(case.name)}" for case in self.results if case.failure]
        skipped = [f"{case.name}: {case.skipped}{self._cause(case.name)}" for case in self.results if case.skipped]
        passed = [case.name for case in self.results if case.passed]
        counts = f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped by themselves"
        counts += f", {sum(map(len, self.left_out.values()))} left out."
        lines = [f"## {self.version}", "", f"{self.day.day} {self.day:%B %Y}, {self.place}: {counts}"]
        for title, names in (("Failed", failed), ("Skipped by themselves", skipped), ("Passed", passed)):
            lines += _subsection(title, sorted(names))
        reasons = sorted(self.left_out.items(), key=lambda item: -len(item[1]))
        lines += _subsection("Left out", [f"{len(names)}: {reason}" for reason, names in reasons])
        return "\n".join(lines) + "\n"

    def _cause(self, name: str) -> str:
        """Return the known cause of a test's result, as it follows the result; an empty string if there is none."""
        return next((f". **Cause:** {cause}" for words, cause in self.causes.items() if re.search(words, name)), "")


def _subsection(title: str, entries: Sequence[str]) -> list[str]:
    """Return the lines of a list under a heading; none for an empty list."""
    return ["", f"### {title}", "", *(f"- {' '.join(entry.split())}" for entry in entries)] if entries else []


def merge(pages: str, version: Version, section: str) -> str:
    """Return the page of all versions with one version's section replaced, or added at the end."""
    older = re.compile(rf"(?ms)^## {re.escape(str(version))}\n.*?(?=^## |\Z)")
    if older.search(pages):
        return older.sub(lambda _: f"{section}\n", pages, count=1).rstrip() + "\n"
    return f"{pages.rstrip()}\n\n{section}"


def read_counts(pages: str) -> list[dict[str, str]]:
    """Return version, date, passed, failed, skipped and left_out of each section, as the page has them."""
    return [found.groupdict() for found in COUNTS.finditer(pages)]
