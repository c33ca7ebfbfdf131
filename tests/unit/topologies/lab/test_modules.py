"""Building Kubernetes from Go modules: our go.mod, the pinned checksums, resuming, and what Go's errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.topologies.lab.programs import write_program
from topologies.lab.build import go_errors
from topologies.lab.build.go_errors import GoVersion
from topologies.lab.build.kubernetes import BuildError
from topologies.lab.build.modules import KUBERNETES, ModuleBuild, our_module, pinned, stamps
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path

V = Version(1, 34, 4)
GO_MOD = """// generated
module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require (
	github.com/google/uuid v1.6.0
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.130.1
	k8s.io/kubelet v0.0.0 // indirect
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet
	k8s.io/utils => k8s.io/utils v0.0.0-20220210201930-3a6ce19ff2f9
)
"""
# A Go that keeps what it was asked, downloads Kubernetes' module and "builds" the programs.
GO = """#!/bin/sh
set -e
echo "$GOFLAGS|$GOTOOLCHAIN|$*" >> {calls}
case "$1" in
env) echo {version} ;;
mod)
  mkdir -p "$GOMODCACHE/cache/download/k8s.io/kubernetes/@v" "$GOMODCACHE/k8s.io/kubernetes@v1.34.4"
  cp {go_mod} "$GOMODCACHE/cache/download/k8s.io/kubernetes/@v/v1.34.4.mod"
  echo "github.com/google/uuid v1.6.0 h1:theirs=" > "$GOMODCACHE/k8s.io/kubernetes@v1.34.4/go.sum" ;;
build)
  test -e {fails} && {{ cat {fails}; exit 1; }}
  while [ "$1" != -o ]; do shift; done; echo program > "$2" ;;
esac
"""


class FakeGo:
    """A `go` in PATH that writes down its calls and fails with a text while that text is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "go1.26.8") -> None:
        folder.mkdir()
        self.calls, self.fails, go_mod = folder / "calls", folder / "fails", folder / "go.mod"
        go_mod.write_text(GO_MOD)
        program = folder / "go"
        program.write_text(GO.format(calls=self.calls, fails=self.fails, go_mod=go_mod, version=version))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def built(self) -> list[str]:
        """Return the packages that were built, in order, also in vain."""
        return [line.split()[-1] for line in self.calls.read_text().splitlines() if "|build " in line]


def build(tmp_path: Path, *programs: str, progress: list[str] | None = None) -> ModuleBuild:
    lines: list[str] = [] if progress is None else progress
    return ModuleBuild(V, tmp_path / "1.34.4.modules", tmp_path / "1.34.4", programs, lines.append)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    return FakeGo(tmp_path / "go", monkeypatch)


def test_staging_modules_are_those_published_for_the_release() -> None:
    ours = our_module(GO_MOD, V).splitlines()

    assert "module hairpin.invalid/kubernetes" in ours
    assert "\tk8s.io/api v0.34.4" in ours
    assert "\tk8s.io/kubelet v0.34.4 // indirect" in ours
    assert "\tk8s.io/api => k8s.io/api v0.34.4" in ours
    assert "require k8s.io/kubernetes v1.34.4" in ours
    assert "./staging" not in "\n".join(ours)


def test_everything_else_of_kubernetes_go_mod_stays() -> None:
    ours = our_module(GO_MOD, V).splitlines()

    assert {
        "go 1.24.0",
        "godebug default=go1.24",
        "\tgithub.com/google/uuid v1.6.0",
        "\tk8s.io/klog/v2 v2.130.1",
        "\tk8s.io/utils => k8s.io/utils v0.0.0-20220210201930-3a6ce19ff2f9",
    } <= set(ours)


def test_programs_report_their_version() -> None:
    assert set(stamps(V)) >= {
        "-X k8s.io/component-base/version.gitVersion=v1.34.4",
        "-X k8s.io/client-go/pkg/version.gitVersion=v1.34.4",
        "-X k8s.io/component-base/version.gitMinor=34",
    }


def test_the_checksums_of_a_tested_version_are_pinned() -> None:
    lines = list(pinned(V))

    assert any(line.startswith(f"{KUBERNETES} v1.34.4 h1:") for line in lines)
    assert any(line.startswith("k8s.io/kube-proxy v0.34.4 h1:") for line in lines)
    assert list(pinned(Version(1, 34, 444))) == []


def test_programs_are_built_into_their_place_and_the_modules_deleted(tmp_path: Path, go: FakeGo) -> None:
    task = build(tmp_path, "kube-proxy", "agnhost")
    task.run()

    assert sorted(path.name for path in task.into.iterdir()) == ["agnhost", "kube-proxy"]
    assert go.built() == ["k8s.io/kubernetes/cmd/kube-proxy", "k8s.io/kubernetes/test/images/agnhost"]
    assert not task.work.exists()


def test_the_users_settings_of_go_change_no_build(tmp_path: Path, go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    build(tmp_path, "kube-proxy").run()

    calls = [line for line in go.calls.read_text().splitlines() if "|env" not in line]
    assert {tuple(line.split("|")[:2]) for line in calls} == {("-mod=mod -modcacherw -buildvcs=false", "local")}


def test_an_interrupted_build_builds_only_what_is_missing(tmp_path: Path, go: FakeGo) -> None:
    go.fails.write_text("undefined: x")
    task = build(tmp_path, "kube-proxy", "kubelet")
    with pytest.raises(BuildError, match="undefined: x"):
        task.run()
    assert task.work.exists()
    go.fails.unlink()
    task.into.mkdir()
    whole = write_program(task.into / "kube-proxy", "1.34.4").read_text()
    task.run()

    assert go.built()[1:] == ["k8s.io/kubernetes/cmd/kubelet"]
    assert (task.into / "kube-proxy").read_text() == whole


def test_a_program_that_is_cut_short_is_built_again(tmp_path: Path, go: FakeGo) -> None:
    task = build(tmp_path, "kube-proxy")
    write_program(task.into / "kube-proxy", "1.34.4").write_bytes(b"\x7fELF\x02\x01")
    task.run()

    assert go.built() == ["k8s.io/kubernetes/cmd/kube-proxy"]
    assert (task.into / "kube-proxy").read_text() == "program\n"


def test_without_go_the_error_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BuildError, match=r"got no `go` in PATH, want Go 1\.26 or newer"):
        build(tmp_path, "kube-proxy").run()


def test_a_go_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGo(tmp_path / "go", monkeypatch, "go1.19.8")

    with pytest.raises(BuildError, match=r"got go1\.19\.8, want Go 1\.24 or newer"):
        build(tmp_path, "kube-proxy").run()


@pytest.mark.parametrize(("text", "version"), [("go1.26.8", (1, 26)), ("1.24.0", (1, 24)), ("go1.27rc1", (1, 27))])
def test_versions_of_go_are_read(text: str, version: tuple[int, int]) -> None:
    assert GoVersion.parse(text) == version


def test_a_development_version_of_go_is_refused() -> None:
    with pytest.raises(BuildError, match="got 'devel"):
        GoVersion.parse("devel go1.27-abcdef")


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (
            "go: k8s.io/kubernetes@v1.99.0: reading http://p/v1.99.0.info: 404 Not Found",
            "does not serve k8s.io/kubernetes v1.99.0. Choose another version",
        ),
        (
            "app/options.go:37:2: k8s.io/kube-proxy@v0.33.6: reading http://p/v0.33.6.mod: 403 Forbidden",
            "does not serve k8s.io/kube-proxy v0.33.6",
        ),
        ('go: k8s.io/kubernetes@v1.34.4: Get "http://p": dial tcp: lookup p: no such host', "does not answer"),
        ("link: write /x: no space left on device", "got a full disk"),
        ("verifying k8s.io/api@v0.34.4: checksum mismatch", "checksums of modules: got others"),
        ("something else", "something else"),
    ],
)
def test_errors_of_go_have_their_next_step(output: str, error: str, tmp_path: Path) -> None:
    assert error in str(go_errors.explain(output, tmp_path))
