from __future__ import annotations

import platform
import shutil
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from topologies.common.subprocesses import ProcessError
from topologies.lab.build.apt import Debian, DebianError
from topologies.lab.build.kubernetes import BuildError
from topologies.lab.guest import build, guest, ipvs_support
from topologies.lab.guest.guest import GuestError
from topologies.lab.state import State
from topologies.lab.worker.init import modules, processors
from topologies.loading.load import load
from topologies.schema.enums import Kernels, ProxyMode
from topologies.schema.topology import LabSettings, Topology

GIB = 2**30


def topology(mode: ProxyMode = ProxyMode.IPVS, kernels: Kernels = Kernels.AUTO) -> Topology:
    given = load("lab-small")
    return given.model_copy(
        update={"proxy": given.proxy.model_copy(update={"mode": mode}), "lab": LabSettings(kernel=kernels)}
    )


@pytest.mark.parametrize(
    ("mode", "kernels", "lacking", "because"),
    [
        (ProxyMode.IPVS, Kernels.AUTO, ["ip_vs", "dummy"], "this machine's kernel lacks ip_vs, dummy"),
        (ProxyMode.IPVS, Kernels.AUTO, [], ""),
        (ProxyMode.IPVS, Kernels.MACHINE, [], ""),
        (ProxyMode.IPTABLES, Kernels.AUTO, ["ip_vs"], ""),
        (ProxyMode.IPTABLES, Kernels.GUEST, [], "the topology declares it"),
    ],
)
def test_a_guest_is_taken_where_the_kernel_lacks_what_the_mode_needs(
    mode: ProxyMode, kernels: Kernels, lacking: list[str], because: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipvs_support, "missing_modules", lambda: lacking)

    assert ipvs_support.reason_for_guest(topology(mode, kernels)) == because


def test_a_topology_that_requires_the_machines_kernel_fails_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipvs_support, "missing_modules", lambda: ["ip_vs"])

    with pytest.raises(ProcessError, match=r"lacks ip_vs\. .*auto"):
        ipvs_support.reason_for_guest(topology(kernels=Kernels.MACHINE))


def test_a_guest_has_one_processor_the_sandboxs_files_and_the_cards_it_is_given() -> None:
    words = guest.command(Path("/cache/linux"), State(Path("/labs/x")), 1, {"vec0": 7, "vec1": 9})

    assert words[:4] == ["taskset", "--cpu-list", "1", "/cache/linux"]
    assert {"rootfstype=hostfs", "rw", "seccomp=on"} <= set(words)
    cards = [word for word in words if word.startswith(("eth", "vec", "virtio"))]
    assert cards == ["vec0:transport=fd,fd=7", "vec1:transport=fd,fd=9"]
    assert words[words.index("--") :] == ["--", "-m", "topologies.lab.guest.init", "/labs/x"]


@pytest.mark.parametrize(
    ("name", "cards"),
    [
        ("lab-ipvs-flannel", {"vec0": "nodes"}),
        ("lab-ipvs-eni", {"vec0": "nodes"}),
        ("two", {"vec0": "nodes", "vec1": "second"}),
    ],
)
def test_a_guest_is_plugged_into_every_switch_its_workers_are(name: str, cards: dict[str, str]) -> None:
    given = load("lab-small" if name == "two" else name)
    if name == "two":
        second = given.nodes[0].model_copy(update={"secondary_address": IPv4Address("198.18.4.11")})
        given = given.model_copy(update={"nodes": (second, *given.nodes[1:])})

    assert guest.cards(given) == cards


def test_a_path_the_kernels_command_line_cannot_hold_is_an_error() -> None:
    with pytest.raises(GuestError, match="want no space in it"):
        guest.command(Path("/cache/linux"), State(Path("/my labs/x")), 0, {})


@pytest.mark.parametrize(
    ("machine", "memory", "told"),
    [("aarch64", 8, "got aarch64, want x86_64"), ("x86_64", 1, "got 1.0 GiB of free memory, want 2 GiB")],
)
def test_a_machine_that_cannot_run_a_guest_is_an_error(
    machine: str, memory: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(guest, "available", lambda: memory * GIB)

    with pytest.raises(GuestError, match=told):
        guest.check()


def test_a_kept_kernel_is_taken_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fragment = tmp_path / "fragment"
    fragment.write_text("CONFIG_IP_VS=y")
    monkeypatch.setattr(build, "FRAGMENT", fragment)
    mark = build.configuration_hash()
    kept = tmp_path / "guest" / f"7.3.4-1-{mark}" / "linux"
    kept.parent.mkdir(parents=True)
    kept.touch()

    assert build.find_or_build(tmp_path, pytest.fail) == kept
    fragment.write_text("CONFIG_IP_VS=n")
    assert build.configuration_hash() != mark


def test_one_command_installs_what_a_build_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program, **_: None if program in {"bc", "gcc"} else program)

    with pytest.raises(BuildError, match=r"apt-get install --no-install-recommends gcc bc$"):
        build.check()


def test_an_option_the_kernel_no_longer_has_is_named() -> None:
    assert build.missing_options(
        "CONFIG_A=y\nCONFIG_PROC_SYSCTL=y\nCONFIG_X=n\n", "CONFIG_A=y\n# CONFIG_X is not set"
    ) == ["CONFIG_PROC_SYSCTL"]


def test_every_option_of_the_fragment_is_named_once() -> None:
    names = [line.split("=")[0] for line in build.FRAGMENT.read_text().splitlines()]

    assert {name: names.count(name) for name in names if names.count(name) > 1} == {}
    assert {"CONFIG_IP_VS", "CONFIG_DUMMY", "CONFIG_IP_VS_NFCT", "CONFIG_SYSCTL", "CONFIG_UML_NET_VECTOR"} <= set(names)


def test_the_newest_package_is_the_one_with_the_highest_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "linux-source-6.9 - x\nlinux-source-6.19 - x\nlinux-source-6.12 - x\n"
    monkeypatch.setattr("topologies.lab.build.apt.run", lambda _: listed)
    debian = Debian(tmp_path, "trixie-backports", print, mirror_of="bookworm")

    assert debian.newest("linux-source-[0-9.]+") == "linux-source-6.19"
    monkeypatch.setattr("topologies.lab.build.apt.run", lambda _: "")
    with pytest.raises(DebianError, match=r"package index of trixie-backports: got no package linux-source"):
        debian.newest("linux-source-[0-9.]+")


def test_a_processor_without_a_clock_gets_one_and_others_stay() -> None:
    assert "cpu MHz\t\t: 1000.000\nmodel name\t: UML" in processors("processor\t: 0\nmodel name\t: UML\n")
    assert processors("model name: x\ncpu MHz : 3000\n") == "model name: x\ncpu MHz : 3000\n"


def test_what_is_built_in_is_listed_once() -> None:
    told = "ip_vs 100 1 - Live 0x0\n"

    assert modules(told, []) == told
    assert [line.split()[0] for line in modules(told, ["ip_vs", "ip_vs_rr"]).splitlines()] == ["ip_vs", "ip_vs_rr"]
