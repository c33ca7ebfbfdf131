"""Read the JUnit reports of upstream's tests: those of Ginkgo 1 (Kubernetes up to 1.24) and of Ginkgo 2.

A report lists every test of `e2e.test`. Tests that did not match the focus are `skipped` without a message.

Source: `reporters/junit_report.go` of Ginkgo 2.32, `reporters/junit_reporter.go` of Ginkgo 1.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AREA = "[sig-network]"
NOT_RUN = {"", "skipped", "pending"}  # what a test that did not match the focus is skipped with
INTERRUPTED = "interrupted"
LONGEST = 300  # characters of a cause
# A place in the source (`/go/src/a.go:12`, `In [It] at: a.go:12 @ 11/26/26 10:00`) or the name of a goroutine.
PLACE = re.compile(r"\S+\.go:\d+|In \[\w+\] at: |goroutine ")
STACK = "Full Stack Trace"  # begins the rest of a cause
MARK = re.compile(r"^(skipped - |\[(FAILED|SKIPPED|PANICKED|TIMEDOUT)\] )")


@dataclass(frozen=True, slots=True)
class UpstreamTest:
    """The result of one test. Without a `failure` and a `skipped` it passed."""

    name: str
    failure: str = ""
    """The cause, in one line."""
    skipped: str = ""
    """Why it skipped itself, in one line."""

    @property
    def passed(self) -> bool:
        """Whether it ran and passed."""
        return not self.failure and not self.skipped


def read_report(path: Path) -> list[UpstreamTest]:
    """Return the tests of a report that ran or skipped themselves.

    A test that was interrupted has no result. Neither has any test of a report that is cut short.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - written by the tests that we started
    except ET.ParseError:
        return []
    return [result for case in root.iter("testcase") for result in _read_case(case)]


def _read_case(case: ET.Element) -> Iterator[UpstreamTest]:
    """Yield the result of a case; none if the case is the suite's set-up or did not run."""
    name = str(case.get("name")).removeprefix("[It] ")
    fault = next((found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None)
    skipped = case.find("skipped")
    if not name.startswith("[sig-"):
        return
    if fault is not None:
        if fault.get("type") != INTERRUPTED:
            yield UpstreamTest(name, failure=_read_cause(fault) or "no cause in the report")
    elif skipped is None:
        yield UpstreamTest(name)
    elif (why := _read_cause(skipped)) not in NOT_RUN:
        yield UpstreamTest(name, skipped=why)
    elif not why and float(case.get("time") or 0):  # of Ginkgo 1: a test that did not match the focus takes 0 s
        yield UpstreamTest(name, skipped="the report has no reason")


def _read_cause(element: ET.Element) -> str:
    """Return the text of a failure or skip in one line, without places in the source."""
    whole = f"{element.get('message') or ''}\n{element.text or ''}".partition(STACK)[0]
    lines = [line.strip() for line in whole.splitlines()]
    text = " ".join(dict.fromkeys(MARK.sub("", line) for line in lines if line and not PLACE.match(line)))
    return text[:LONGEST]
