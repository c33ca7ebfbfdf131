from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from topologies.common.subprocesses import ProcessError
from topologies.lab import lab, requirements
from topologies.lab.build.binaries import Binaries
from topologies.lab.build.container_runtime import ContainerRuntime
from topologies.lab.build.program_files import Program
from topologies.lab.component_flags import VersionError
from topologies.lab.requirements import RequirementError
from topologies.lab.state import State
from topologies.lab.worker.node import Programs
from topologies.loading.load import load
from topologies.loading.overrides import declared
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Version

BINARIES = Binaries(Path("/bin"), Version(1, 20, 2), Path("/bin/agnhost"))
PROGRAMS = Programs(BINARIES, ContainerRuntime("2.2.9"))


def test_one_error_lists_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)

    with pytest.raises(RequirementError, match=r"be root.*\n.*apt-get install.*conntrack containerd etcd-server"):
        requirements.check()


def test_a_container_without_the_capabilities_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(argv: list[str]) -> str:
        message = f"{argv[0]} ended with status 1:\nunshare: unshare failed: Operation not permitted"
        raise ProcessError(message)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_there", lambda _: True)
    monkeypatch.setattr(requirements, "run", refused)

    with pytest.raises(RequirementError, match=r"--privileged.*Operation not permitted"):
        requirements.check()


def test_nothing_is_made_where_a_node_would_cover_it() -> None:
    with pytest.raises(lab.LabError, match="/var/lib"):
        lab._declare(load("lab-small"), State(Path("/var/lib/x")), PROGRAMS, Path("/golden"))


def test_a_kube_proxy_is_not_where_a_node_would_cover_it(tmp_path: Path) -> None:
    covered = replace(BINARIES, proxies={"n1": Program(Path("/run/mine/kube-proxy"), Version(1, 24, 17))})

    with pytest.raises(lab.LabError, match=r"got /run/mine, want a path that is not below /run.*--kube-proxy-bin"):
        lab._declare(load("lab-small"), State(tmp_path / "x"), replace(PROGRAMS, kubernetes=covered), Path("/golden"))
    assert not (tmp_path / "x").exists()


def test_the_log_of_the_daemon_that_ended_is_printed(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.logs.mkdir()
    state.log("n1", "kubelet").write_text("a panic\n")
    state.log("cp", "etcd").write_text("all is well\n")

    assert "a panic" in lab._tail_of_failed(state, "kubelet of n1 ended with 1")


def test_without_such_a_log_the_newest_is_printed(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.logs.mkdir()
    state.log("cp", "etcd").write_text("all is well\n")

    assert "all is well" in lab._tail_of_failed(state, "something else")


@pytest.mark.parametrize("path", ["nodes.n2.proxy", "proxy"])
def test_a_lab_may_have_a_kube_proxy_of_another_version(path: str) -> None:
    requirements.check_versions(declared("lab-small", {f"{path}.version": "1.23.4"}))


def test_a_version_that_the_lab_cannot_configure_is_refused() -> None:
    with pytest.raises(VersionError, match=r"Kubernetes of the lab: got 1\.38\.0, want 1\.20 to 1\.37"):
        requirements.check_versions(declared("lab-small", {"kubernetes": "1.38", "proxy.version": "1.37"}))


def test_a_lab_has_the_kubelet_of_its_programs() -> None:
    topology = declared("lab-small", {"nodes.n2.kubelet_version": "1.19.1"})

    with pytest.raises(RequirementError, match=r"nodes\[1\]\.kubelet_version: got 1\.19\.1, want 1\.20\.2"):
        requirements.check_versions(topology)


def test_the_programs_of_every_mode_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    programs = [package for mode in ProxyMode for package in requirements.FOR_MODE.get(mode, {}).values()]

    with pytest.raises(RequirementError) as error:
        requirements.check(set(ProxyMode))
    assert programs
    assert all(package in str(error.value) for package in programs)
