"""Upstream's tests: which run, in which groups, how both generations of their reports are read, and the page."""

from __future__ import annotations

import re
import shutil
from datetime import date
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import TYPE_CHECKING, cast

import pytest

from tests.unit.support.paths import ROOT
from topologies.lab import upstream_e2e
from topologies.lab.build.archive import Image, Link
from topologies.lab.build.binaries import Binaries
from topologies.lab.build.images import ImagesError
from topologies.lab.upstream_e2e import group_left_out, reason_to_leave_out, summarize
from topologies.lab.upstream_tests import image, suite
from topologies.lab.upstream_tests.page import UpstreamRun, merge, read_counts
from topologies.lab.upstream_tests.results import UpstreamTest, read_report
from topologies.lab.upstream_tests.suite import Suite, exactly, split
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path

    from topologies.lab.sandbox import Sandbox

SERVES = "[sig-network] Services should serve a basic endpoint from pods  [Conformance]"
UP_AND_DOWN = "[sig-network] Services should be able to up and down services"
RULES = "[sig-network] Networking should recreate its iptables rules if they are deleted [Disruptive]"
DNS = "[sig-network] DNS should provide DNS for services  [Conformance]"
NAMESERVERS = "[sig-network] DNS should support configurable pod DNS nameservers [Conformance]"
UDP = "[sig-network] Conntrack should preserve UDP traffic for a ClusterIP service"
GINKGO_1 = f"""<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Kubernetes e2e suite" tests="4" failures="1" errors="0" time="17.2">
    <testcase name="{SERVES}" classname="Kubernetes e2e suite" time="7.1"></testcase>
    <testcase name="{UP_AND_DOWN}" classname="Kubernetes e2e suite" time="9">
        <failure type="Failure">k8s.io/kubernetes/test/e2e/network/service.go:1&#xA;got 0 endpoints</failure>
    </testcase>
    <testcase name="{DNS}" classname="Kubernetes e2e suite" time="0"><skipped></skipped></testcase>
    <testcase name="{RULES}" classname="Kubernetes e2e suite" time="0.1">
        <skipped>k8s.io/kubernetes/test/e2e/framework/a.go:2&#xA;Only supported for providers [gce]&#xA;b.go:3</skipped>
    </testcase>
</testsuite>
"""
GINKGO_2 = f"""<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="7" disabled="3" errors="2" failures="1" time="17.2">
  <testsuite name="Kubernetes e2e suite" package="/x" tests="7" disabled="1" skipped="2" errors="2" failures="1">
    <properties><property name="DryRun" value="false"></property></properties>
    <testcase name="[SynchronizedBeforeSuite]" classname="Kubernetes e2e suite" status="passed" time="0.2"></testcase>
    <testcase name="[It] {SERVES}" classname="Kubernetes e2e suite" status="passed" time="7.1"></testcase>
    <testcase name="[It] {UP_AND_DOWN}" classname="Kubernetes e2e suite" status="failed" time="9">
      <failure message="" type="failed">[FAILED] got 0 endpoints&#xA;In [It] at: service.go:1 @ 11/26/26</failure>
      <system-err>a long timeline</system-err>
    </testcase>
    <testcase name="[It] {DNS}" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
    <testcase name="[It] {DNS} [Slow]" status="pending" time="0"><skipped message="pending"></skipped></testcase>
    <testcase name="[It] {RULES}" status="skipped" time="0.1">
      <skipped message="skipped - Only supported for providers [gce]"></skipped>
    </testcase>
    <testcase name="[It] {UDP}" status="panicked" time="1">
      <error type="panicked">[PANICKED] Test Panicked&#xA;index out of range&#xA;Full Stack Trace&#xA;x()</error>
    </testcase>
    <testcase name="[It] {UDP} [Serial]" status="interrupted" time="1">
      <error message="" type="interrupted">[INTERRUPTED] Interrupted by User</error>
    </testcase>
  </testsuite>
</testsuites>
"""
RESULTS = [
    UpstreamTest(SERVES),
    UpstreamTest(UP_AND_DOWN, failure="got 0 endpoints"),
    UpstreamTest(RULES, skipped="Only supported for providers [gce]"),
]


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        (SERVES, False),
        (UP_AND_DOWN, False),
        (DNS, True),
        (NAMESERVERS, False),
        (f"{SERVES} [Slow]", True),
        ("[sig-network] Services should work [FeatureGate:X] [Alpha] [Feature:OffByDefault]", True),
    ],
)
def test_tests_that_the_lab_cannot_serve_are_left_out_with_a_reason(name: str, left_out: bool) -> None:
    assert bool(reason_to_leave_out(name)) == left_out


def test_tests_that_are_left_out_are_grouped_by_reason() -> None:
    assert group_left_out([SERVES, f"{SERVES} [Slow]", f"{UDP} [Slow]"]) == {
        reason_to_leave_out("[Slow]"): [f"{SERVES} [Slow]", f"{UDP} [Slow]"]
    }


def test_each_test_is_in_one_group_and_disruptive_ones_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "GROUP", 2)

    assert split([SERVES, UP_AND_DOWN, RULES, UDP]) == ([[UDP, SERVES], [UP_AND_DOWN]], [[RULES]])
    assert split([]) == ([], [])


def test_a_focus_matches_its_tests_and_none_whose_name_is_longer() -> None:
    focus = exactly([UDP, SERVES])
    description = "Kubernetes e2e suite "

    assert re.search(focus, description + UDP)
    assert re.search(focus, description + SERVES)
    assert not re.search(focus, f"{description}{UDP} and client is hostNetwork")


def test_a_report_of_ginkgo_1_gives_passed_failed_and_skipped_tests(tmp_path: Path) -> None:
    (tmp_path / "junit_01.xml").write_text(GINKGO_1)

    assert read_report(tmp_path / "junit_01.xml") == RESULTS


def test_a_report_of_ginkgo_2_also_has_panics_and_no_result_of_an_interrupted_test(tmp_path: Path) -> None:
    (tmp_path / "junit_01.xml").write_text(GINKGO_2)

    panicked = UpstreamTest(UDP, failure="Test Panicked index out of range")
    assert read_report(tmp_path / "junit_01.xml") == [*RESULTS, panicked]


def test_a_report_that_is_cut_short_has_no_result(tmp_path: Path) -> None:
    (tmp_path / "junit_01.xml").write_text(GINKGO_2[:900])

    assert read_report(tmp_path / "junit_01.xml") == []


@pytest.mark.parametrize(
    ("version", "dry", "colour"),
    [
        ("1.20.2", "-ginkgo.dryRun", "-ginkgo.noColor"),
        ("1.24.17", "-ginkgo.dryRun", "-ginkgo.noColor"),
        ("1.25.16", "-ginkgo.dry-run", "-ginkgo.no-color"),
        ("1.37.2", "-ginkgo.dry-run", "-ginkgo.no-color"),
    ],
)
def test_the_flags_are_those_of_the_versions_ginkgo(
    version: str, dry: str, colour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []
    monkeypatch.setattr(suite, "run_long", lambda argv, _: commands.append(argv))

    Suite(Version.parse(version), tmp_path, tmp_path).list_tests()

    assert dry in commands[0]
    assert colour in commands[0]


def test_a_directory_has_the_last_result_of_each_test(tmp_path: Path) -> None:
    for number, text in (("000", GINKGO_2), ("001", GINKGO_1.replace("failure", "passed")), ("list", GINKGO_2)):
        (tmp_path / number).mkdir()
        (tmp_path / number / "junit_01.xml").write_text(text)

    results = Suite(Version(1, 37, 2), tmp_path, tmp_path).results()

    assert [case.name for case in results if case.passed] == [SERVES, UP_AND_DOWN]
    assert len(results) == 4


def test_a_test_without_a_result_has_failed_and_the_parts_of_a_run_add_up(tmp_path: Path) -> None:
    (tmp_path / "000").mkdir()
    (tmp_path / "000" / "junit_01.xml").write_text(GINKGO_1)
    (tmp_path / "seconds").write_text("200\n280\n")

    done = summarize(Suite(Version(1, 20, 2), tmp_path, tmp_path), [SERVES, UP_AND_DOWN, UDP], {})

    assert [case.name for case in done.results if case.failure] == [UP_AND_DOWN, UDP]
    assert done.place.endswith("8 minutes in 2 parts")


def test_a_test_that_skipped_itself_without_a_reason_is_skipped_and_did_not_fail(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(re.sub(r"<skipped>k8s.*</skipped>", "<skipped></skipped>", GINKGO_1))

    found = {case.name: case for case in read_report(report)}

    assert found[RULES].skipped == "the report has no reason"
    assert DNS not in found


def test_the_page_counts_each_test_once() -> None:
    text = UpstreamRun(Version(1, 20, 2), date(2026, 11, 26), "9 minutes", RESULTS, {"no DNS": [DNS]}, {}).section()

    assert read_counts(f"# Title\n\n{text}") == [
        {
            "version": "1.20.2",
            "date": "26 November 2026",
            "passed": "1",
            "failed": "1",
            "skipped": "1",
            "left_out": "1",
        }
    ]
    assert f"- {UP_AND_DOWN}: got 0 endpoints\n" in text
    assert f"- {RULES}: Only supported for providers [gce]\n" in text
    assert "- 1: no DNS\n" in text


def test_a_failure_has_its_known_cause_and_no_other_test_has_it() -> None:
    causes = {"up and down": "its pods start too late"}
    text = UpstreamRun(Version(1, 20, 2), date(2026, 11, 26), "9 minutes", RESULTS, {}, causes).section()

    assert f"- {UP_AND_DOWN}: got 0 endpoints. **Cause:** its pods start too late\n" in text
    assert text.count("Cause") == 1


def test_a_new_result_replaces_the_section_of_its_version() -> None:
    pages = "# Title\n\n## 1.20.2\n\nold\n\n## 1.37.2\n\nother\n"

    assert merge(pages, Version(1, 20, 2), "## 1.20.2\n\nnew\n") == pages.replace("old", "new")
    assert merge(pages, Version(1, 34, 4), "## 1.34.4\n").endswith("other\n\n## 1.34.4\n")


def test_a_page_is_not_written_from_a_part_of_the_tests(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        upstream_e2e.parse(["1.37.2", "--focus", "Conntrack", "--write", "x.md"])

    assert "--write with --focus: got both, want one" in capsys.readouterr().err


def test_images_of_upstream_get_the_labs_image_that_stands_for_them() -> None:
    listed = ["registry.k8s.io/pause:3.10", "registry.k8s.io/e2e-test-images/agnhost:2.66.1", "docker.io/busybox:1.29"]

    assert image.stand_ins([*listed, "registry.k8s.io/etcd:3.7.0"]) == {
        "hairpin.local/pause:1": listed[:1],
        "hairpin.local/upstream-tests:1": listed[1:],
    }


def test_the_image_has_the_programs_of_the_tests_and_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: object) -> dict[str, Path]:
        with (tmp_path / "golden.lock").open() as lock, pytest.raises(BlockingIOError):
            flock(lock, LOCK_EX | LOCK_NB)  # another holder would remove what is being fetched
        return {"bin/nc": tmp_path / "nc.openbsd"}

    monkeypatch.setattr(image, "netcat", fetch)
    monkeypatch.setattr("topologies.lab.build.images.busybox", lambda *_: tmp_path / "busybox")
    programs = Binaries(tmp_path, Version(1, 37, 2), tmp_path / "agnhost")

    made = image.make_image(programs, tmp_path, tmp_path, print)

    assert made.files["bin/nc"] == tmp_path / "nc.openbsd"
    assert made.files["localhost.crt"] == tmp_path / "kubelet.crt"
    assert made.files["bin/sh"] == Link("../usr/bin/bash")  # busybox's shell runs its own nc
    assert {"usr/bin/bash", "usr/bin/conntrack", "usr/bin/ss", "usr/bin/curl", "agnhost"} <= set(made.files)
    assert any("libnetfilter_conntrack" in path for path in made.files)


def test_a_program_that_the_machine_lacks_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(image, "agnhost_image", lambda *_: Image("x", "/x", {}))
    programs = Binaries(tmp_path, Version(1, 37, 2), tmp_path / "agnhost")

    with pytest.raises(ImagesError, match="apt-get install bash"):
        image.make_image(programs, tmp_path, tmp_path, print)


def test_the_counts_of_each_version_can_be_read_from_the_page() -> None:
    text = (ROOT / "docs" / "upstream-e2e.md").read_text(encoding="utf-8")

    versions = re.findall(r"^## (\d\S+)$", text, re.MULTILINE)
    assert [counts["version"] for counts in read_counts(text)] == versions
    assert versions


def test_a_continued_run_reuses_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "000").mkdir()
    (tmp_path / "007").mkdir()
    used: list[int] = []
    monkeypatch.setattr(Suite, "_run_group", lambda _suite, _sandbox, number, _names: used.append(number))

    Suite(Version(1, 20, 2), tmp_path, tmp_path).run(cast("Sandbox", None), [SERVES, UP_AND_DOWN])

    assert used == [8]
