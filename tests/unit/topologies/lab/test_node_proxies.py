"""Which kube-proxy each node of a lab runs, and what is reported if there is none, or another than declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.topologies.lab.programs import write_program, write_programs
from topologies.lab.build.binaries import RELEASED
from topologies.lab.build.kubernetes import NEEDED
from topologies.lab.build.node_proxies import ProxyFiles, unsupported_skew
from topologies.lab.build.program_files import BinariesError
from topologies.lab.given_programs import GivenPrograms
from topologies.loading.overrides import declared
from topologies.schema.topology import Topology, Version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    write_programs(tmp_path / "kubernetes" / "1.34.4", NEEDED, "1.34.4")
    write_program(tmp_path / "kubernetes" / "1.30.14" / "kube-proxy", "1.30.14")
    return tmp_path


def flannel(**changes: object) -> Topology:
    return declared(
        "lab-flannel", {"kubernetes": "1.34.4", **{key.replace("__", "."): v for key, v in changes.items()}}
    )


def found(topology: Topology, cache: Path, given: GivenPrograms | None = None) -> tuple[dict[str, str], list[str]]:
    """Return the kube-proxy of each node below the cache with its version, and the lines of progress."""
    lines: list[str] = []
    programs = (given or GivenPrograms.parse(None, ())).find(topology, cache=cache, progress=lines.append)
    proxies = {node.name: programs.proxy_of(node.name) for node in topology.nodes}
    return {name: f"{one.path.relative_to(cache)} {one.version}" for name, one in proxies.items()}, lines


def test_every_node_runs_the_kube_proxy_of_the_cluster(cache: Path) -> None:
    proxies, lines = found(flannel(), cache)

    assert set(proxies.values()) == {"kubernetes/1.34.4/kube-proxy 1.34.4"}
    assert lines == []


def test_a_node_of_another_version_runs_the_one_in_the_cache(cache: Path) -> None:
    proxies, lines = found(flannel(nodes__n2__proxy__version="1.30.14"), cache)

    assert proxies["n2"] == "kubernetes/1.30.14/kube-proxy 1.30.14"
    assert proxies["n1"] == proxies["n3"] == "kubernetes/1.34.4/kube-proxy 1.34.4"
    assert lines == [
        "warning: kube-proxy 1.30.14 of n2: 4 minor versions older than kube-apiserver 1.34.4; supported are 3"
    ]


def test_a_version_that_is_not_in_the_cache_has_the_command_that_builds_it(cache: Path) -> None:
    topology = flannel(proxy__version="1.29.15", nodes__n2__proxy__version="1.34.4")

    with pytest.raises(BinariesError) as error:
        found(topology, cache)
    assert str(error.value) == (
        f"kube-proxy of n1, n3, n4: got no {cache}/kubernetes/1.29.15/kube-proxy, want it, as 1.29.15 is declared. "
        "Run `hairpin lab get 1.29.15 kube-proxy`, or give --kube-proxy-bin=n1=FILE"
    )


def test_a_kube_proxy_in_the_cache_of_another_version_is_refused(cache: Path) -> None:
    write_program(cache / "kubernetes" / "1.30.14" / "kube-proxy", "1.29.15")

    with pytest.raises(BinariesError, match=r"1\.30\.14/kube-proxy: got 1\.29\.15, want 1\.30\.14\. Delete it"):
        found(flannel(nodes__n2__proxy__version="1.30.14"), cache)


def test_a_directory_needs_no_kube_proxy_if_every_node_has_another(cache: Path) -> None:
    release = write_programs(cache / "release", set(RELEASED) - {"kube-proxy"}, "1.34.4")
    given = GivenPrograms.parse(release, ())

    assert set(found(flannel(proxy__version="1.30.14"), cache, given)[0].values()) == {
        "kubernetes/1.30.14/kube-proxy 1.30.14"
    }
    with pytest.raises(BinariesError, match="release: got no kube-proxy, want all of"):
        found(flannel(nodes__n1__proxy__version="1.30.14"), cache, given)


def test_the_kube_proxy_of_a_directory_serves_the_nodes_of_its_version(cache: Path) -> None:
    release = write_programs(cache / "release", RELEASED, "1.34.4")
    write_program(release / "kube-proxy", "1.30.14")

    proxies, _ = found(flannel(proxy__version="1.30.14"), cache, GivenPrograms.parse(release, ()))

    assert set(proxies.values()) == {"release/kube-proxy 1.30.14"}


def test_the_version_follows_a_given_kube_proxy(cache: Path) -> None:
    for_all, for_one = write_program(cache / "a=b/kube-proxy", "1.33.6"), write_program(cache / "old", "1.31.1")
    given = GivenPrograms.parse(None, [str(for_all), f"n3={for_one}"])

    changes = given.follow("lab-flannel", {"kubernetes": "1.34.4"})
    proxies, _ = found(declared("lab-flannel", changes), cache, given)

    assert changes == {"kubernetes": "1.34.4", "proxy.version": "1.33.6", "nodes.n3.proxy.version": "1.31.1"}
    assert proxies == {
        "n1": "a=b/kube-proxy 1.33.6",
        "n2": "a=b/kube-proxy 1.33.6",
        "n3": "old 1.31.1",
        "n4": "a=b/kube-proxy 1.33.6",
    }


def test_a_node_that_declares_a_version_does_not_run_the_kube_proxy_for_all(cache: Path) -> None:
    given = GivenPrograms.parse(None, [str(write_program(cache / "new", "1.33.6"))])

    changes = given.follow("lab-flannel", {"kubernetes": "1.34.4", "nodes.n2.proxy.version": "1.30.14"})
    proxies, _ = found(declared("lab-flannel", changes), cache, given)

    assert (proxies["n1"], proxies["n2"]) == ("new 1.33.6", "kubernetes/1.30.14/kube-proxy 1.30.14")


@pytest.mark.parametrize(("key", "option"), [("proxy.version", ""), ("nodes.n3.proxy.version", "n3=")])
def test_a_given_kube_proxy_that_contradicts_the_declaration_is_refused(cache: Path, key: str, option: str) -> None:
    given = GivenPrograms.parse(None, [f"{option}{write_program(cache / 'mine', '1.33.6')}"])

    with pytest.raises(BinariesError) as error:
        given.follow("lab-flannel", {"kubernetes": "1.34.4", key: "1.30.14"})
    assert str(error.value) == (
        f"version of {cache}/mine: got 1.33.6, want 1.30.14, as {key} declares. Change one of the two"
    )


def test_a_given_kube_proxy_may_be_another_patch_release_than_declared(cache: Path) -> None:
    given = GivenPrograms.parse(None, [str(write_program(cache / "mine", "1.30.3"))])
    changes = given.follow("lab-flannel", {"kubernetes": "1.34.4", "proxy.version": "1.30"})

    assert changes["proxy.version"] == "1.30"
    assert found(declared("lab-flannel", changes), cache, given)[0]["n1"] == "mine 1.30.3"


def test_a_kube_proxy_for_a_node_that_is_not_declared_is_refused(cache: Path) -> None:
    given = GivenPrograms.parse(None, [f"n9={write_program(cache / 'mine', '1.30.3')}"])

    with pytest.raises(BinariesError, match=r"--kube-proxy-bin: got node n9, want one of n1, n2, n3, n4\."):
        given.follow("lab-flannel", {})


@pytest.mark.parametrize(("given", "where"), [(["/a", "/b"], "all nodes"), (["n1=/a", "n1=/b"], "node n1")])
def test_two_files_for_one_node_are_refused(given: list[str], where: str) -> None:
    with pytest.raises(BinariesError, match=rf"--kube-proxy-bin: {where}: got /a and /b, want one file\."):
        ProxyFiles.parse(given)


def test_the_version_follows_kube_apiserver_and_the_patch_release_of_kube_proxy(cache: Path) -> None:
    release = write_programs(cache / "release", RELEASED, "1.34.4")
    given = GivenPrograms.parse(release, ())
    assert given.follow("lab-flannel", {}) == {"kubernetes": "1.34.4"}

    write_program(release / "kube-proxy", "1.34.9")
    assert given.follow("lab-flannel", {}) == {"kubernetes": "1.34.4", "proxy.version": "1.34.9"}
    assert given.follow("lab-flannel", {"version": "1.34.8"}) == {"kubernetes": "1.34.4", "version": "1.34.8"}

    write_program(release / "kube-proxy", "1.24.3")
    assert given.follow("lab-flannel", {}) == {"kubernetes": "1.34.4"}  # `check` refuses that directory


@pytest.mark.parametrize(
    ("proxy", "apiserver", "why"),
    [
        ("1.34.9", "1.34.4", ""),
        ("1.31.0", "1.34.4", ""),
        ("1.30.14", "1.34.4", "4 minor versions older than kube-apiserver 1.34.4; supported are 3"),
        ("1.25.0", "1.28.0", ""),
        ("1.24.17", "1.26.0", ""),
        ("1.24.17", "1.27.0", "3 minor versions older than kube-apiserver 1.27.0; supported are 2"),
        ("1.35.0", "1.34.4", "newer than kube-apiserver 1.34.4, which is not supported"),
        ("2.0.0", "1.34.4", "another major version than kube-apiserver 1.34.4"),
    ],
)
def test_the_skew_is_that_of_the_policy(proxy: str, apiserver: str, why: str) -> None:
    assert unsupported_skew(Version.parse(proxy), Version.parse(apiserver)) == why
