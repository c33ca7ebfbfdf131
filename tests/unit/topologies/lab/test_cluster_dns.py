"""The CoreDNS of a lab: which release serves which Kubernetes, how it is built, and the objects that deploy it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.topologies.lab.test_container_runtime import DEBIANS, reports
from topologies.lab import __main__ as cli
from topologies.lab.build import cluster_dns, go_module, images
from topologies.lab.build.archive import Image
from topologies.lab.build.cluster_dns import (
    OUR_MODULE,
    PLUGINS,
    ClusterDnsMissingError,
    find,
    main_package,
    release_for,
)
from topologies.lab.build.go_module import PINS, pinned_lines
from topologies.lab.component_config import cluster_dns_fields
from topologies.lab.control_plane import cluster_dns as objects
from topologies.loading.load import validated
from topologies.schema.topology import Topology, Version

RAW = {"name": "t", "kubernetes": "1.37.2", "nodes": 2, "cni": {"kind": "flannel-vxlan"}, "lab": {}}
# A Go that downloads a module of CoreDNS without content, keeps our source and "builds" by copying it.
GO = """#!/bin/sh
set -e
echo "$*" >> {folder}/calls
case "$1" in
env) echo go1.26.8 ;;
mod)
  at="$GOMODCACHE/cache/download/github.com/coredns/coredns/@v"; version="${{3##*@}}"
  mkdir -p "$at" "$GOMODCACHE/github.com/coredns/coredns@$version"
  printf 'module github.com/coredns/coredns\\n\\ngo 1.26.0\\n' > "$at/$version.mod"
  echo "github.com/google/uuid v1.6.0 h1:theirs=" > "$GOMODCACHE/github.com/coredns/coredns@$version/go.sum" ;;
build)
  cp go.mod go.sum main.go {folder}
  while [ "$1" != -o ]; do shift; done; cp /bin/true "$2" ;;
esac
"""


def declared(**changes: Any) -> Topology:
    return validated({**RAW, "cluster_dns": True, **changes}, "t.yaml")


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where a `go` in PATH keeps what it was given."""
    folder = tmp_path / "go"
    folder.mkdir()
    (folder / "go").write_text(GO.format(folder=folder))
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(go_module, "check_room", lambda _: None)
    return folder


@pytest.mark.parametrize(("minor", "wanted"), [(20, "1.10.1"), (21, "1.15.0"), (37, "1.15.0")])
def test_a_cluster_without_discovery_v1_gets_the_last_release_that_watches_v1beta1(minor: int, wanted: str) -> None:
    assert release_for(Version(1, minor)).version == wanted


def test_no_release_watches_an_older_cluster() -> None:
    with pytest.raises(ClusterDnsMissingError, match=r"got Kubernetes 1\.19\.0, want 1\.20\.0 or newer"):
        release_for(Version(1, 19))


def test_a_lab_without_cluster_dns_needs_no_program(tmp_path: Path) -> None:
    assert find(declared(cluster_dns=False), tmp_path) is None


def test_a_missing_program_is_one_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        ClusterDnsMissingError, match=r"got no such file, want it\. Run `hairpin lab get 1\.37\.2 cored"
    ):
        find(declared(), tmp_path)


def test_it_is_built_once_from_a_package_of_ours_with_pinned_checksums(go: Path, tmp_path: Path) -> None:
    printed: list[str] = []
    release = release_for(Version(1, 37, 2))
    program = release.make(tmp_path / "cache", printed.append)

    assert find(declared(), tmp_path / "cache") == program
    assert (go / "go.mod").read_text().splitlines()[-1] == "require github.com/coredns/coredns v1.15.0"
    sums = (go / "go.sum").read_text().splitlines()
    assert sums[0].endswith("h1:theirs=")
    assert [line.split()[1] for line in sums[1:]] == ["v1.15.0", "v1.15.0/go.mod"]
    assert (go / "calls").read_text().splitlines()[-1].endswith(OUR_MODULE)
    assert not (tmp_path / "cache/coredns/1.15.0.modules").exists()
    calls = (go / "calls").read_text()
    assert release.make(tmp_path / "cache", printed.append) == program
    assert (go / "calls").read_text() == calls


def test_every_release_is_pinned() -> None:
    for release in cluster_dns.RELEASES:
        assert len(pinned_lines(cluster_dns.MODULE, f"v{release.version}")) == 2, release
    assert PINS.read_text(encoding="utf-8").endswith("\n")


def test_our_package_has_no_plugin_that_asks_others() -> None:
    assert {"forward", "cache"}.isdisjoint(PLUGINS)
    assert main_package().count("/plugin/") == len(PLUGINS)


def test_get_builds_it_only_if_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, DEBIANS)
    version = Version(1, 37, 2)

    assert "coredns" not in cli._requested([], version)
    assert cli._requested(["coredns"], version) == ("coredns",)


def test_kubelets_learn_the_address_and_the_domain() -> None:
    own = declared(cluster_dns={"domain": "c.example", "address": "10.96.0.99"})

    assert cluster_dns_fields(declared()) == {"clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local"}
    assert cluster_dns_fields(own) == {"clusterDNS": ["10.96.0.99"], "clusterDomain": "c.example"}
    assert cluster_dns_fields(declared(cluster_dns=False)) == {}


def test_the_service_has_the_address_of_the_kubelets_and_selects_the_pods_by_both_protocols() -> None:
    made = {path.rsplit("/", 1)[1]: body for path, body in objects.list_objects(declared())}
    service, deployment = made["services"], made["deployments"]
    template = deployment["spec"]["template"]

    assert service["metadata"]["name"] == "kube-dns"
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert {port["protocol"] for port in service["spec"]["ports"]} == {"UDP", "TCP"}
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["containers"][0]["image"] == images.COREDNS
    assert made["clusterrolebindings"]["roleRef"]["name"] == made["clusterroles"]["metadata"]["name"]


def test_it_answers_for_the_domain_and_reverse_names_only() -> None:
    first = objects.corefile(declared(cluster_dns={"domain": "c.example"})).splitlines()[0]

    assert first == "c.example:53 in-addr.arpa:53 ip6.arpa:53 {"


def test_it_is_available_when_all_replicas_are() -> None:
    assert not objects.is_available({})
    assert not objects.is_available({"status": {"availableReplicas": 1}})
    assert objects.is_available({"status": {"availableReplicas": 2}})


def test_only_a_lab_with_it_has_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[list[str]] = []

    def unpack(found: list[Image], _runtime: object, place: Path, *_: object) -> None:
        unpacked.append([image.name for image in found])
        place.mkdir(parents=True)

    for name in ("pause_image", "agnhost_image"):
        monkeypatch.setattr(images, name, lambda *_: Image("x", "/x", {}))
    monkeypatch.setattr(images, "_unpack", unpack)
    coredns = Path(shutil.copy("/bin/true", tmp_path / "coredns"))
    runtime: Any = type("Runtime", (), {"version": "2.2.9"})
    programs: Any = None
    without = images.golden(programs, runtime, cache=tmp_path, progress=print)
    with_it = images.golden(programs, runtime, cache=tmp_path, progress=print, coredns=coredns)

    assert without != with_it
    assert unpacked == [["x", "x"], ["x", "x", images.COREDNS]]
