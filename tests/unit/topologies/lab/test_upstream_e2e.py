"""Upstream's tests: which run, in which groups, and how their reports are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from topologies.lab.upstream_e2e import UpstreamTest, merge, page, read_report, reason_to_leave_out, shards
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path

SERVES = "[sig-network] Services should serve a basic endpoint from pods  [Conformance]"
UP_AND_DOWN = "[sig-network] Services should be able to up and down services"
RULES = "[sig-network] Networking should recreate its iptables rules if they are deleted [Disruptive]"
DNS = "[sig-network] DNS should provide DNS for services  [Conformance]"
REPORT = f"""<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Kubernetes e2e suite" tests="4" failures="1">
  <testcase name="[SynchronizedBeforeSuite]" />
  <testcase name="[It] {SERVES}" time="7.1" />
  <testcase name="{UP_AND_DOWN}" time="9">
    <failure type="Failure">/go/src/service.go:1&#xA;got 0 endpoints</failure>
  </testcase>
  <testcase name="{DNS}"><skipped></skipped></testcase>
  <testcase name="{RULES}"><skipped message="skipped - Only supported for providers [gce]" /></testcase>
</testsuite>
"""


@pytest.mark.parametrize(
    ("name", "left_out"), [(SERVES, False), (UP_AND_DOWN, False), (DNS, True), (f"{SERVES} [Slow]", True)]
)
def test_tests_that_the_lab_cannot_serve_are_left_out_with_a_reason(name: str, left_out: bool) -> None:
    assert bool(reason_to_leave_out(name)) == left_out


def test_each_test_is_in_one_group_and_disruptive_ones_run_alone() -> None:
    assert shards([SERVES, UP_AND_DOWN, RULES], 2) == [[UP_AND_DOWN], [SERVES], [RULES]]


def test_a_report_of_either_ginkgo_gives_passed_failed_and_skipped_tests(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(REPORT)

    assert read_report(tmp_path / "junit.xml") == [
        UpstreamTest(SERVES),
        UpstreamTest(UP_AND_DOWN, failure="got 0 endpoints"),
        UpstreamTest(RULES, skipped=True),
    ]


def test_the_page_counts_each_test_once() -> None:
    results = [
        UpstreamTest(SERVES),
        UpstreamTest(UP_AND_DOWN, failure="got 0 endpoints"),
        UpstreamTest(RULES, skipped=True),
    ]

    text = page(Version(1, 20, 2), results, [DNS], 90)

    assert "1 passed, 1 failed, 1 skipped by themselves, 1 left out." in text
    assert f"- {UP_AND_DOWN}: got 0 endpoints" in text
    assert "- 1: the lab has no cluster DNS" in text


def test_a_new_result_replaces_the_section_of_its_version() -> None:
    pages = "# Title\n\n## 1.20.2\n\nold\n\n## 1.37.2\n\nother\n"

    assert merge(pages, Version(1, 20, 2), "## 1.20.2\n\nnew\n") == pages.replace("old", "new")
    assert merge(pages, Version(1, 34, 4), "## 1.34.4\n").endswith("other\n\n## 1.34.4\n")
