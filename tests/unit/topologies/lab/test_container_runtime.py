"""Which containerd a lab runs, and what `hairpin lab get` builds of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from topologies.lab import __main__ as cli
from topologies.lab.build import container_runtime
from topologies.lab.build.container_runtime import ContainerRuntime, RuntimeMissingError, find, make, place
from topologies.lab.build.kubernetes import NEEDED
from topologies.lab.component_flags import required_runtime
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from pathlib import Path

DEBIANS = "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n"
NEWER = "containerd github.com/containerd/containerd/v2 v2.1.4 \n"


def reports(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(container_runtime, "run", lambda _: text)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a cache that has the project's containerd."""
    place(tmp_path).mkdir(parents=True)
    for name in container_runtime.PROGRAMS:
        shutil.copy("/bin/true", place(tmp_path) / name)
    return tmp_path


@pytest.mark.parametrize(("minor", "least"), [(20, (1, 0)), (26, (1, 6)), (35, (1, 6)), (36, (2, 0)), (37, (2, 0))])
def test_the_least_runtime_follows_the_version(minor: int, least: tuple[int, int]) -> None:
    assert required_runtime(Version(1, minor))[0] == least


@pytest.mark.parametrize(("minor", "text"), [(20, DEBIANS), (35, DEBIANS), (37, NEWER)])
def test_the_machines_containerd_is_taken_where_it_will_do(
    minor: int, text: str, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports(monkeypatch, text)

    found = find(Version(1, minor), cache=built)

    assert found.version in text
    assert str(built) not in found.path


def test_a_newer_kubelet_gets_the_built_one_with_its_shim_first(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, DEBIANS)

    found = find(Version(1, 36, 3), cache=built)

    assert str(found) == "containerd 2.2.9"
    assert found.path.split(":")[0] == str(place(built))


def test_without_it_one_error_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, DEBIANS)

    with pytest.raises(RuntimeMissingError, match=r"got 1\.6\.20, want 2\.0 or newer.*lab get 1\.37\.2 containerd"):
        find(Version(1, 37, 2), cache=tmp_path)


def test_a_half_built_one_is_none(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, DEBIANS)
    with (place(built) / "containerd-shim-runc-v2").open("r+b") as shim:
        shim.truncate(1000)

    with pytest.raises(RuntimeMissingError):
        find(Version(1, 37, 2), cache=built)


def test_a_built_one_is_not_built_again(built: Path) -> None:
    printed: list[str] = []

    assert make(built, printed.append) == place(built)
    assert printed == []


@pytest.mark.parametrize(
    ("names", "text", "wanted"),
    [
        ([], DEBIANS, (*NEEDED, "containerd")),
        (["all"], NEWER, NEEDED),
        (["kubelet", "containerd"], DEBIANS, ("kubelet", "containerd")),
    ],
)
def test_all_means_what_a_lab_of_that_version_needs(
    names: list[str], text: str, wanted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    reports(monkeypatch, text)

    assert cli._requested(names, Version(1, 37, 2)) == wanted


def test_a_runtime_reports_what_it_is() -> None:
    assert str(ContainerRuntime("1.6.20")) == "containerd 1.6.20"
