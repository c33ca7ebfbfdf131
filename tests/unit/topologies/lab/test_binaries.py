"""Where the Kubernetes programs come from, and what is said when they are not to be had."""

from __future__ import annotations

import errno
import fcntl
import shutil
import sys
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest

from topologies.common.subprocesses import ProcessError
from topologies.lab.build import apt, kubernetes, long_commands
from topologies.lab.build.binaries import cache_dir, find, make
from topologies.lab.build.kubernetes import NEEDED, BuildError, KubernetesBuild, locked
from topologies.lab.build.modules import ModuleBuild
from topologies.lab.build.program_files import BinariesError
from topologies.lab.ownership import OwnershipError
from topologies.schema.topology import Version

V = Version(1, 20, 2)


def programs(directory: Path, version: str = "1.20.2") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        (directory / name).write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
        (directory / name).chmod(0o755)
    return directory


def silent(_: str) -> None:
    pass


def test_a_given_directory_is_used_with_the_version_that_its_kubelet_reports(tmp_path: Path) -> None:
    found = find(programs(tmp_path / "bin", "1.24.17-eks"), Version(1, 24), cache=tmp_path, progress=silent)

    assert (found.version, found.path("kubelet")) == (Version(1, 24, 17), tmp_path / "bin" / "kubelet")


def test_a_program_the_lab_does_not_use_has_no_path(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        find(programs(tmp_path), V, cache=tmp_path, progress=silent).path("kubeadm")


def test_one_error_lists_all_that_is_wrong_with_a_directory(tmp_path: Path) -> None:
    (programs(tmp_path) / "kubelet").unlink()
    (tmp_path / "kube-proxy").chmod(0o644)

    with pytest.raises(BinariesError) as error:
        find(tmp_path, V, cache=tmp_path, progress=silent)
    missing, unusable = str(error.value).splitlines()
    assert f"{tmp_path}: got no kubelet, want all of kube-apiserver" in missing
    assert f"{tmp_path}/kube-proxy: got a file that is not executable, want a program. Run chmod +x" in unusable


def test_a_directory_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match=r"kubelet, kube-proxy: got 1\.24\.0, want 1\.20\.2") as error:
        find(programs(tmp_path, "1.24.0"), V, cache=tmp_path, progress=silent)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"])
def test_a_program_of_another_version_than_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    (programs(tmp_path) / name).write_text("#!/bin/sh\necho Kubernetes v1.19.7\n")

    with pytest.raises(BinariesError) as error:
        find(tmp_path, V, cache=tmp_path, progress=silent)
    assert str(error.value) == (
        f"version of {tmp_path}/{name}: got 1.19.7, want 1.20.2 as declared. Change one of the two"
    )


def test_a_kube_proxy_of_another_version_than_its_directory_is_refused(tmp_path: Path) -> None:
    (programs(tmp_path) / "kube-proxy").write_text("#!/bin/sh\necho Kubernetes v1.24.3\n")

    with pytest.raises(
        BinariesError, match=r"kube-proxy: got 1\.24\.3, want 1\.20\.2 as declared.*give --kube-proxy-bin=.*kube-proxy"
    ):
        find(tmp_path, V, cache=tmp_path, progress=silent)


def test_a_release_directory_without_agnhost_uses_the_one_of_the_cache(tmp_path: Path) -> None:
    (programs(tmp_path / "release") / "agnhost").unlink()
    with pytest.raises(BinariesError, match=r"agnhost .*: run `hairpin lab get 1\.20\.2 agnhost` once"):
        find(tmp_path / "release", V, cache=tmp_path / "cache", progress=silent)
    kept = programs(tmp_path / "cache" / "kubernetes" / "1.34.4")

    found = find(tmp_path / "release", V, cache=tmp_path / "cache", progress=silent)
    assert (found.path("agnhost"), found.path("kubelet").parent) == (kept / "agnhost", tmp_path / "release")


def test_a_kubelet_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    (programs(tmp_path) / "kubelet").write_text("#!/bin/sh\necho wrong machine >&2; exit 126\n")

    with pytest.raises(BinariesError, match="wrong machine"):
        find(tmp_path, V, cache=tmp_path, progress=silent)


def test_the_cache_is_used_without_a_build(tmp_path: Path) -> None:
    kept = programs(tmp_path / "kubernetes" / "1.20.2")

    assert find(None, V, cache=tmp_path, progress=silent).directory == kept


def test_a_version_that_is_not_in_the_cache_has_the_command_that_builds_it(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match=r"Kubernetes 1\.30\.1: .*Run `hairpin lab get 1\.30\.1`\. Or: Give"):
        find(None, Version(1, 30, 1), cache=tmp_path, progress=silent)


def test_another_version_is_built_from_go_modules_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(task: ModuleBuild) -> None:
        programs(task.into, str(task.version))

    monkeypatch.setattr(ModuleBuild, "run", build)
    kept = make(Version(1, 34, 4), ["kube-proxy"], tmp_path, silent)
    monkeypatch.setattr(ModuleBuild, "run", lambda _: pytest.fail("it is in the cache"))

    assert make(Version(1, 34, 4), ["kube-proxy"], tmp_path, silent) == kept == tmp_path / "kubernetes" / "1.34.4"
    assert find(None, Version(1, 34, 4), cache=tmp_path, progress=silent).version == Version(1, 34, 4)


def test_a_failed_build_has_its_reason_and_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: KubernetesBuild) -> None:
        message = "no room"
        raise BuildError(message)

    monkeypatch.setattr(kubernetes.KubernetesBuild, "run", fail)
    with pytest.raises(
        BinariesError, match=r"build of Kubernetes 1\.20\.2 failed: no room\n.*try again.*--kubernetes-bin"
    ):
        find(None, V, cache=tmp_path, progress=silent)


def test_the_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIRPIN_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    seen = [cache_dir()]
    monkeypatch.delenv("HAIRPIN_CACHE")
    seen.append(cache_dir())
    monkeypatch.delenv("XDG_CACHE_HOME")
    seen.append(cache_dir())

    assert seen == [Path("/a"), Path("/b/hairpin"), Path("/c/.cache/hairpin")]


def test_an_interrupted_build_goes_on_at_its_first_unfinished_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def compile_(task: KubernetesBuild) -> None:
        done.append("compile")
        if done.count("compile") == 1:
            raise KeyboardInterrupt
        programs(task.tree / "_output/local/go/bin")

    monkeypatch.setattr(kubernetes, "check_prerequisites", lambda: None)
    monkeypatch.setattr(kubernetes, "check_room", silent)
    monkeypatch.setattr(KubernetesBuild, "fetch", lambda _: done.append("fetch"))
    monkeypatch.setattr(KubernetesBuild, "patch", lambda _: done.append("patch"))
    monkeypatch.setattr(KubernetesBuild, "compile", compile_)
    task = KubernetesBuild(V, tmp_path / "1.20.2.build", tmp_path / "1.20.2", silent)
    with pytest.raises(KeyboardInterrupt):
        task.run()
    assert not task.into.exists()
    task.run()

    assert done == ["fetch", "patch", "compile", "compile"]
    assert sorted(path.name for path in task.into.iterdir()) == sorted(NEEDED)
    assert not task.work.exists()


def test_all_missing_prerequisites_are_named_in_one_line(tmp_path: Path) -> None:
    for program in kubernetes.PREREQUISITES.keys() - {"go", "jq"}:
        (tmp_path / program).touch(0o755)

    with pytest.raises(BuildError, match=r"apt-get install --no-install-recommends golang-1\.19-go jq$"):
        kubernetes.check_prerequisites(str(tmp_path))


def test_kubernetes_is_built_with_debians_go_whatever_go_is_first_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "go").touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    task = KubernetesBuild(V, tmp_path / "x.build", tmp_path / "x", silent)

    found = shutil.which("go", path=long_commands.environment(task._environment())["PATH"])

    assert found in {None, f"{kubernetes.GO}/go"}
    with pytest.raises(BuildError, match=r"golang-1\.19-go"):
        kubernetes.check_prerequisites(f"{tmp_path / 'absent'}")


def test_a_build_directory_of_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "check_prerequisites", lambda: None)
    task = KubernetesBuild(V, tmp_path / "1.20.2.build", tmp_path / "1.20.2", silent)
    (task.work / "sources").mkdir(parents=True)
    (task.work / "sources" / "thesis.tex").touch()

    with pytest.raises(OwnershipError, match="want it absent or empty"):
        task.run()
    assert (task.work / "sources" / "thesis.tex").exists()


def test_a_full_disk_is_an_error_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "ROOM", 2**60)

    with pytest.raises(BuildError, match=r"GiB free, want \d+ GiB\. Set HAIRPIN_CACHE"):
        kubernetes.check_room(tmp_path)


def test_an_interrupted_build_needs_only_the_room_that_it_has_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(kubernetes, "ROOM", free + 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(free, 0, free))
    with pytest.raises(BuildError, match="GiB free, want"):
        kubernetes.check_room(tmp_path)
    (tmp_path / "gocache").write_bytes(bytes(2**20))

    kubernetes.check_room(tmp_path)


def test_a_disk_that_fills_up_while_programs_are_copied_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: KubernetesBuild) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(KubernetesBuild, "run", fill)
    with pytest.raises(BinariesError, match=r"got a full disk \(.* GiB free\), want 5 GiB for the build"):
        find(None, V, cache=tmp_path, progress=silent)


def test_a_second_builder_prints_that_it_waits_and_waits(tmp_path: Path) -> None:
    said: list[str] = []
    entered: list[float] = []

    def second() -> None:
        with locked(tmp_path / "x.lock", said.append):
            entered.append(monotonic())

    with locked(tmp_path / "x.lock", silent):
        other = Thread(target=second)
        other.start()
        while not said:
            sleep(0.01)
        assert not entered
    other.join(5)
    assert entered
    assert "another process" in said[0]


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "x.lock", silent):
        _ = 1 / 0

    with (tmp_path / "x.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


LISTING = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm-updates main
http://other.example/debian/ bookworm main
"""


def test_the_mirror_is_the_first_of_its_suite() -> None:
    assert apt.pick(LISTING, "bookworm") == "http://mirror.example/debian/"


@pytest.mark.parametrize(("listing", "knows"), [(LISTING, "bookworm, bookworm-updates"), ("\n", "none")])
def test_without_a_repository_of_the_suite_the_error_lists_those_there_are(listing: str, knows: str) -> None:
    with pytest.raises(apt.DebianError, match=rf"repository trixie/main: got {knows} in this machine's apt"):
        apt.pick(listing, "trixie")


@pytest.mark.parametrize(
    ("version", "means"),
    [("1.20.5+really1.20.2-1.1+deb12u1", "1.20.2"), ("1.20.5+really1.20.2", "1.20.2"), ("1.32.4+ds-2", "1.32.4")],
)
def test_the_upstream_version_is_read_out_of_debians(version: str, means: str) -> None:
    assert apt.upstream(version) == means


def test_a_long_command_reports_its_seconds_and_keeps_its_output(tmp_path: Path) -> None:
    said: list[str] = []
    shown = long_commands.Progress(said.append, "working", tmp_path / "log", every=0.05)
    long_commands.run_long((sys.executable, "-c", "import time; print('out'); time.sleep(0.3)"), shown)

    assert said[0] == "working ... 0 s"
    assert (tmp_path / "log").read_text() == "out\n"


def test_the_error_of_a_failed_command_ends_with_the_tail_of_its_log(tmp_path: Path) -> None:
    shown = long_commands.Progress(silent, "working", tmp_path / "log")

    with pytest.raises(ProcessError, match=r"(?s)ended with status 3.*alas"):
        long_commands.run_long(("sh", "-c", "echo alas >&2; exit 3"), shown)


def test_the_environment_of_a_build_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-race")
    monkeypatch.setenv("https_proxy", "http://p:1")

    made = long_commands.environment({"A": "b"})
    assert "GOFLAGS" not in made
    assert (made["A"], made["https_proxy"]) == ("b", "http://p:1")


def test_the_programs_are_those_the_build_makes() -> None:
    assert set(NEEDED) == {
        "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "agnhost",
    }  # fmt: skip
